package remote

import (
	"context"
	"errors"
	"net/url"
	"strconv"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/audit"
	"github.com/belaycd/belay/internal/cli"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/insight"
)

// own is where Belay's own calls are.
const own = "/api/belay/v1"

// Review implements cli.Insights.
func (s *Server) Review(ctx context.Context, app *v1alpha1.Application, o cli.ReviewOptions) (*insight.Plan, error) {
	if err := noLocal(o.PlanOptions); err != nil {
		return nil, err
	}
	query := url.Values{"refresh": {strconv.FormatBool(o.Fresh)}, "appNamespace": {app.Namespace}, "revisions": o.Revisions}
	if o.Deployment != nil {
		query.Set("history", strconv.FormatInt(o.Deployment.ID, 10))
	}
	plan := &insight.Plan{}
	err := s.wait(ctx, own+"/applications/"+url.PathEscape(app.Name)+"/plan", query, plan)
	return plan, s.notBelay(err, "app diff and app plan")
}

// notBelay says of a call that the server does not know, though it knows the application, what can be done about it.
func (s *Server) notBelay(err error, what string) error {
	var f *cli.Failure
	if !fault.Is(err, fault.NotFound) || errors.As(err, &f) && f.Code != "NotFound" {
		return err
	}
	return &cli.Failure{Exit: cli.ExitAPI, Code: "NotServed", Err: err,
		Hint: what + " need a server that is Belay's; add --core to work with the cluster of the kubeconfig"}
}

// Why implements cli.Insights.
func (s *Server) Why(ctx context.Context, app *v1alpha1.Application) (*insight.Why, []string, error) {
	why := &insight.Why{}
	err := s.wait(ctx, own+"/applications/"+url.PathEscape(app.Name)+"/why", url.Values{"appNamespace": {app.Namespace}}, why)
	return why, nil, s.notBelay(err, "app why")
}

// Activities implements cli.Insights.
func (s *Server) Activities(ctx context.Context, q audit.Query) (*audit.Page, error) {
	query := url.Values{}
	for name, value := range map[string]string{
		"application": q.Application, "appNamespace": q.Namespace, "project": q.Project, "actor": q.Actor, "kind": q.Kind, "text": q.Text, "before": q.Before,
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	query.Set("limit", strconv.Itoa(q.Limit))
	page := &audit.Page{}
	err := s.get(ctx, own+"/activities", query, page)
	return page, s.notBelay(err, "the record of activities")
}
