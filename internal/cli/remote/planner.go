package remote

import (
	"context"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
	"github.com/belaycd/belay/internal/object"
)

// Planner implements cli.ControlPlane: the server plans and renders.
func (s *Server) Planner(context.Context) (cli.Planner, error) { return planner{s}, nil }

// planner implements cli.Planner.
type planner struct{ server *Server }

// Close implements cli.Planner.
func (planner) Close() error { return nil }

// noLocal refuses local manifests: they are here, and what renders and compares is there.
func noLocal(o cli.PlanOptions) error {
	if o.LocalDir == "" {
		return nil
	}
	return &cli.Failure{Exit: cli.ExitUsage, Code: "Usage", Err: fault.New(fault.Invalid, "the server does not render the local directory of --local"),
		Hint: "add --core to render and compare here, with the cluster of the kubeconfig; or push the change to a branch and use --revision"}
}

// Plan implements cli.Planner.
func (p planner) Plan(ctx context.Context, app *v1alpha1.Application, o cli.PlanOptions) (*cli.Plan, error) {
	if err := noLocal(o); err != nil {
		return nil, err
	}
	answer, err := p.server.Review(ctx, app, cli.ReviewOptions{PlanOptions: o})
	if err != nil {
		return nil, err
	}
	out := &cli.Plan{Revisions: answer.Revisions}
	for i := range answer.Objects {
		o, err := planned(&answer.Objects[i])
		if err != nil {
			return nil, err
		}
		out.Objects = append(out.Objects, o)
	}
	return out, nil
}

func planned(p *insight.PlannedObject) (cli.PlannedObject, error) {
	o := cli.PlannedObject{Ref: p.Ref(), Action: cli.PlanAction(p.Action), Reason: p.Reason, Refused: p.Refused}
	for _, side := range []struct {
		text string
		into **unstructured.Unstructured
	}{{p.Live, &o.Live}, {p.Desired, &o.Predicted}} {
		if side.text == "" {
			continue
		}
		value, err := parse(side.text)
		fields, ok := value.(map[string]any)
		if err != nil || !ok {
			return o, fault.New(fault.Internal, "the manifest of %s cannot be read: %w", o.Ref, err)
		}
		*side.into = &unstructured.Unstructured{Object: fields}
	}
	for _, f := range p.Changes {
		c := object.Change{Path: f.Path, Manager: f.Manager}
		var err error
		if f.HasLive {
			if c.Live, err = parse(f.Live); err != nil {
				return o, fault.New(fault.Internal, "field %s of %s cannot be read: %w", f.Path, o.Ref, err)
			}
		}
		if f.HasDesired {
			if c.Desired, err = parse(f.Desired); err != nil {
				return o, fault.New(fault.Internal, "field %s of %s cannot be read: %w", f.Path, o.Ref, err)
			}
		}
		o.Changes = append(o.Changes, c)
	}
	return o, nil
}

// parse reads YAML into the types that objects of Kubernetes have.
func parse(text string) (any, error) {
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		return nil, err
	}
	var value any
	return value, utiljson.Unmarshal(data, &value)
}

// Compare implements cli.Planner. What it gives does not leave the server; Review and Why do.
func (planner) Compare(context.Context, *v1alpha1.Application, cli.PlanOptions) (*cli.Comparison, error) {
	return nil, fault.New(fault.Invalid, "a comparison in full is not served")
}

// Manifests implements cli.Planner.
func (p planner) Manifests(ctx context.Context, app *v1alpha1.Application, o cli.PlanOptions) (*cli.Manifests, error) {
	if err := noLocal(o); err != nil {
		return nil, err
	}
	path, query := appPath(keyOf(app), "/manifests")
	query.Set("noCache", strconv.FormatBool(o.Fresh))
	if len(app.Spec.Sources) > 0 {
		positions, revisions := positioned(o.Revisions)
		query["revisions"] = revisions
		for _, at := range positions {
			query.Add("sourcePositions", strconv.FormatInt(at, 10))
		}
	} else {
		query.Set("revision", strings.Join(o.Revisions, ""))
	}
	var answer struct {
		Manifests []string
		Revisions []string
	}
	if err := p.server.wait(ctx, path, query, &answer); err != nil {
		return nil, err
	}
	out := &cli.Manifests{Revisions: answer.Revisions}
	for _, text := range answer.Manifests {
		u := &unstructured.Unstructured{}
		if err := utiljson.Unmarshal([]byte(text), &u.Object); err != nil {
			return nil, fault.New(fault.Internal, "a manifest of application %s cannot be read: %w", app.Name, err)
		}
		out.Objects = append(out.Objects, u)
	}
	return out, nil
}
