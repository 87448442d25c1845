package notify

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/mask"
)

// Vars are what conditions and templates see of an application: app, appProject, context, secrets and the functions of Argo CD; and
// what the last operation, or else the comparison, was about: repoURL, commit, and revision, which is commit in short. project and
// commit may be nil.
func (c *Config) Vars(app *v1alpha1.Application, project *v1alpha1.AppProject, commit func(revision string) (Commit, error)) map[string]any {
	vars := map[string]any{
		"app": fields(app), "appProject": map[string]any{}, "context": c.context, "secrets": c.secrets,
		"revision": short(revisionOf(app)), "time": timeFunctions(c.now), "repo": repoFunctions(commit),
		"strings": map[string]any{"ReplaceAll": strings.ReplaceAll, "ToUpper": strings.ToUpper, "ToLower": strings.ToLower},
	}
	vars["commit"] = revisionOf(app)
	if sources := app.Spec.GetSources(); len(sources) > 0 {
		vars["repoURL"] = sources[0].RepoURL
	}
	if project != nil {
		vars["appProject"] = fields(project)
	}
	return vars
}

// fields is an object as its JSON decodes. Messages of the status, which repeat what others have said, lose their credentials.
func fields(object any) map[string]any {
	out, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return map[string]any{} // cannot be: the types are ours
	}
	if status, ok := out["status"]; ok {
		out["status"] = masked("", status)
	}
	return out
}

func masked(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = masked(k, v[k])
		}
	case []any:
		for i := range v {
			v[i] = masked(key, v[i])
		}
	case string:
		if key == "message" {
			return mask.Values(v)
		}
	}
	return v
}

// revisionOf is what the last operation deployed or wanted to, else what was compared.
func revisionOf(app *v1alpha1.Application) string {
	var ofSync, ofOperation string
	if op := app.Status.OperationState; op != nil {
		if r := op.SyncResult; r != nil {
			ofSync = cmp.Or(r.Revision, strings.Join(r.Revisions, ", "))
		}
		if s := op.Operation.Sync; s != nil {
			ofOperation = cmp.Or(s.Revision, strings.Join(s.Revisions, ", "))
		}
	}
	return cmp.Or(ofSync, ofOperation, app.Status.Sync.Revision, strings.Join(app.Status.Sync.Revisions, ", "))
}

func short(revision string) string {
	list := strings.Split(revision, ", ")
	for i, r := range list {
		if len(r) == 40 && strings.Trim(r, "0123456789abcdef") == "" {
			list[i] = r[:7]
		}
	}
	return strings.Join(list, ", ")
}

func timeFunctions(now func() time.Time) map[string]any {
	return map[string]any{
		"Now": now, "Parse": func(text string) (time.Time, error) { return time.Parse(time.RFC3339, text) },
		"Nanosecond": time.Nanosecond, "Microsecond": time.Microsecond, "Millisecond": time.Millisecond, "Second": time.Second, "Minute": time.Minute, "Hour": time.Hour,
		"Layout": time.Layout, "ANSIC": time.ANSIC, "UnixDate": time.UnixDate, "RubyDate": time.RubyDate, "RFC822": time.RFC822, "RFC822Z": time.RFC822Z,
		"RFC850": time.RFC850, "RFC1123": time.RFC1123, "RFC1123Z": time.RFC1123Z, "RFC3339": time.RFC3339, "RFC3339Nano": time.RFC3339Nano, "Kitchen": time.Kitchen,
		"Stamp": time.Stamp, "StampMilli": time.StampMilli, "StampMicro": time.StampMicro, "StampNano": time.StampNano,
	}
}

func repoFunctions(commit func(revision string) (Commit, error)) map[string]any {
	if commit == nil {
		commit = func(string) (Commit, error) { return Commit{}, errors.New("commits are not read here") }
	}
	return map[string]any{
		"GetCommitMetadata": commit, "QueryEscape": url.QueryEscape,
		"RepoURLToHTTPS": func(address string) (string, error) {
			u, err := parseRepository(address)
			if err != nil {
				return "", err
			}
			u.Scheme, u.User = "https", nil
			return u.String(), nil
		},
		"FullNameByRepoURL": func(address string) (string, error) {
			u, err := parseRepository(address)
			if err != nil {
				return "", err
			}
			parts := strings.Split(strings.Trim(strings.TrimSuffix(u.Path, ".git"), "/"), "/")
			return strings.Join(parts[:min(2, len(parts))], "/"), nil
		},
	}
}

// parseRepository also reads git@host:path.
func parseRepository(address string) (*url.URL, error) {
	if host, path, ok := strings.Cut(address, ":"); ok && !strings.Contains(address, "://") {
		_, host, _ = strings.Cut("@"+host, "@")
		if at := strings.LastIndex(host, "@"); at >= 0 {
			host = host[at+1:]
		}
		return &url.URL{Scheme: "ssh", Host: host, Path: "/" + strings.TrimPrefix(path, "/")}, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the repository cannot be read")
	}
	return u, nil
}
