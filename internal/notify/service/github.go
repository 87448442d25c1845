package service

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// github reports to commits: statuses, deployments, comments of pull requests, check runs, dispatches.
type github struct {
	to    *endpoint
	app   GitHubApp
	token func(context.Context, GitHubApp) (string, error)
}

func newGitHub(c config) (notify.Service, error) {
	o := c.options
	app := GitHubApp{ID: o.number("appID", 0), InstallationID: o.number("installationID", 0), PrivateKey: o.required("privateKey")}
	for _, id := range []string{"appID", "installationID"} {
		if o.required(id) != "" && o.number(id, 1) <= 0 {
			o.problem(id, "is no positive number")
		}
	}
	access := remote.Access{Insecure: o.flag("insecureSkipVerify", false)}
	base := o.address("enterpriseBaseURL", cmp.Or(o.text("enterpriseBaseURL"), "https://api.github.com"))
	if err := o.err(); err != nil {
		return nil, err
	}
	if o.text("enterpriseBaseURL") != "" {
		base = enterpriseAPI(base)
		app.BaseURL = base.String()
	}
	to, err := c.endpoint("enterpriseBaseURL", base, access, app.PrivateKey)
	return &github{to: to, app: app, token: c.env.GitHubToken}, err
}

// enterpriseAPI returns the address of the API of a server: that of the server itself will do.
func enterpriseAPI(base *url.URL) *url.URL {
	u := *base
	u.Path = strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(u.Path, "/api/v3") && !strings.HasPrefix(u.Host, "api.") && !strings.Contains(u.Host, ".api.") {
		u.Path += "/api/v3"
	}
	return &u
}

// gitHubTask is one thing to report, about one commit.
type gitHubTask struct {
	*github
	repo, revision string // OWNER/NAME, commit
	token, text    string
	part           *values
}

// Send implements notify.Service.
func (s *github) Send(ctx context.Context, m notify.Message, _ string) error {
	p := part(m, "github")
	if p == nil {
		return fault.New(fault.Invalid, "github: the template has no github part, and a text alone cannot be sent")
	}
	address := cmp.Or(filledIn(p, "repoURLPath"), m.Repository)
	t := &gitHubTask{github: s, repo: repositoryOf(address), revision: cmp.Or(filledIn(p, "revisionPath"), m.Revision), text: m.Text, part: p}
	if t.repo == "" {
		p.problem("repoURLPath", "names no repository OWNER/NAME")
	}
	if t.revision == "" {
		p.problem("revisionPath", "names no commit: the application has not been synced yet, or has several sources")
	}
	steps := t.steps()
	if len(steps) == 0 {
		p.problem("it", "has none of status, deployment, pullRequestComment, checkRun and repositoryDispatch")
	}
	if err := p.err(); err != nil {
		return err
	}
	if s.token == nil {
		return fault.New(fault.Internal, "github: there is no way to get a token")
	}
	app := s.app
	app.Repository = address
	var err error
	if t.token, err = s.token(ctx, app); err != nil {
		return fault.New(tokenFault(ctx, err), "github: %w", err)
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func tokenFault(ctx context.Context, err error) fault.Kind {
	if ctx.Err() != nil {
		return fault.Transient
	}
	return fault.KindOf(err)
}

// filledIn returns a text of a part that a template made something of.
func filledIn(p *values, key string) string {
	if s := p.text(key); s != noValue {
		return s
	}
	return ""
}

// repositoryOf returns OWNER/NAME of the address of a repository, in the form of a URL or of SSH; empty if it has none.
func repositoryOf(address string) string {
	path := address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		path = u.Path
	} else if _, after, ok := strings.Cut(address, ":"); ok {
		path = after
	}
	parts := strings.FieldsFunc(strings.TrimSuffix(strings.TrimRight(path, "/"), ".git"), func(r rune) bool { return r == '/' })
	if len(parts) < 2 || strings.HasPrefix(parts[0], ".") || strings.Trim(parts[1], ".") == "" {
		return ""
	}
	return url.PathEscape(parts[0]) + "/" + url.PathEscape(parts[1])
}

// steps reads all of the part before anything is sent.
func (t *gitHubTask) steps() []func(context.Context) error {
	var out []func(context.Context) error
	if p := t.part.within("status"); p != nil {
		out = append(out, t.status(p))
	}
	if p := t.part.within("deployment"); p != nil {
		out = append(out, t.deployment(p))
	}
	if p := t.part.within("pullRequestComment"); p != nil {
		out = append(out, t.comment(p))
	}
	if p := t.part.within("checkRun"); p != nil {
		out = append(out, t.checkRun(p))
	}
	if p := t.part.within("repositoryDispatch"); p != nil {
		out = append(out, t.dispatch(p))
	}
	return out
}

func (t *gitHubTask) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	u := t.to.at("/repos/" + t.repo + path)
	u.RawQuery = query.Encode()
	return t.to.send(ctx, call{method: method, url: u, secrets: []string{t.token}, header: map[string]string{
		"Authorization": "Bearer " + t.token, "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28",
	}}, in, out)
}

// omitEmpty drops what a template says nothing for.
func omitEmpty(m map[string]any) {
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == "" || v == noValue })
}

// maxDescription is how long GitHub lets a description be.
const maxDescription = 140

func (t *gitHubTask) status(p *values) func(context.Context) error {
	in := map[string]any{"state": p.required("state"), "context": p.text("label"), "target_url": p.text("targetURL"), "description": shorten(t.text, maxDescription)}
	omitEmpty(in)
	return func(ctx context.Context) error {
		return t.call(ctx, http.MethodPost, "/statuses/"+url.PathEscape(t.revision), nil, in, nil)
	}
}

// deployment reports to the commit's deployment to an environment, which it makes if there is none.
func (t *gitHubTask) deployment(p *values) func(context.Context) error {
	ref, environment := cmp.Or(p.text("reference"), t.revision), p.text("environment")
	create := map[string]any{"ref": ref, "environment": environment, "auto_merge": p.flag("autoMerge", true), "transient_environment": p.flag("transientEnvironment", false)}
	if p.get("requiredContexts") != nil {
		create["required_contexts"] = p.texts("requiredContexts")
	}
	status := map[string]any{"state": p.required("state"), "environment": environment, "environment_url": p.text("environmentURL"), "log_url": p.text("logURL"),
		"description": shorten(t.text, maxDescription)}
	omitEmpty(create)
	omitEmpty(status)
	return func(ctx context.Context) error {
		type deployment struct {
			ID int64 `json:"id"`
		}
		var found []deployment
		query := url.Values{"ref": {ref}}
		if environment != "" {
			query.Set("environment", environment)
		}
		if err := t.call(ctx, http.MethodGet, "/deployments", query, nil, &found); err != nil {
			return err
		}
		var one deployment
		if len(found) > 0 {
			one = found[0]
		} else if err := t.call(ctx, http.MethodPost, "/deployments", nil, create, &one); err != nil {
			return err
		}
		if one.ID == 0 { // GitHub merged the default branch into ref, and asks to try again
			return t.to.fail(fault.Transient, "the deployment of "+t.to.clean(ref, t.token)+" was not created; set autoMerge to false if it never is")
		}
		return t.call(ctx, http.MethodPost, "/deployments/"+strconv.FormatInt(one.ID, 10)+"/statuses", nil, status, nil)
	}
}

const (
	maxComment      = 65536
	commentsPerPage = 100
	// maxCommentPages bounds the search for a comment: beyond it, a new one is written.
	maxCommentPages = 20
)

// comment comments on the pull requests of the commit. With a tag, its comment of before is changed.
func (t *gitHubTask) comment(p *values) func(context.Context) error {
	tag := ""
	if name := p.text("commentTag"); name != "" {
		tag = "<!-- argocd-notifications " + name + " -->"
	}
	content := p.body("content")
	if strings.TrimSpace(content) == "" {
		p.problem("content", "is missing")
	}
	body := shorten(content, maxComment-len(tag)-1)
	if tag != "" {
		body += "\n" + tag
	}
	return func(ctx context.Context) error {
		var pulls []struct {
			Number int `json:"number"`
		}
		if err := t.call(ctx, http.MethodGet, "/commits/"+url.PathEscape(t.revision)+"/pulls", nil, nil, &pulls); err != nil {
			return err
		}
		for _, pull := range pulls {
			id, err := t.tagged(ctx, pull.Number, tag)
			if err != nil {
				return err
			}
			in := map[string]any{"body": body}
			if id != 0 {
				err = t.call(ctx, http.MethodPatch, "/issues/comments/"+strconv.FormatInt(id, 10), nil, in, nil)
			} else {
				err = t.call(ctx, http.MethodPost, "/issues/"+strconv.Itoa(pull.Number)+"/comments", nil, in, nil)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// tagged returns the id of the comment with a tag; 0 if there is none.
func (t *gitHubTask) tagged(ctx context.Context, pull int, tag string) (int64, error) {
	if tag == "" {
		return 0, nil
	}
	for page := 1; page <= maxCommentPages; page++ {
		var comments []struct {
			ID   int64  `json:"id"`
			Body string `json:"body"`
		}
		query := url.Values{"per_page": {strconv.Itoa(commentsPerPage)}, "page": {strconv.Itoa(page)}}
		if err := t.call(ctx, http.MethodGet, "/issues/"+strconv.Itoa(pull)+"/comments", query, nil, &comments); err != nil {
			return 0, err
		}
		for _, c := range comments {
			if strings.Contains(c.Body, tag) {
				return c.ID, nil
			}
		}
		if len(comments) < commentsPerPage {
			break
		}
	}
	return 0, nil
}

func (t *gitHubTask) checkRun(p *values) func(context.Context) error {
	in := map[string]any{"name": p.required("name"), "head_sha": t.revision, "external_id": "argocd-notifications"}
	for _, key := range []string{"details_url", "status", "conclusion", "started_at", "completed_at"} {
		if s := p.text(key); s != "" && s != noValue {
			in[key] = s
		}
	}
	for _, key := range []string{"started_at", "completed_at"} {
		if s, ok := in[key].(string); ok {
			if _, err := time.Parse(time.RFC3339, s); err != nil {
				p.problem(key, "is no time such as 2006-01-02T15:04:05Z")
			}
		}
	}
	if in["conclusion"] != nil && in["status"] == nil {
		in["status"] = "completed"
	}
	if (in["status"] == "completed" || in["completed_at"] != nil) && in["conclusion"] == nil {
		p.problem("conclusion", "is missing, though the run is completed")
	}
	if o := p.within("output"); o != nil {
		in["output"] = map[string]any{"title": o.text("title"), "summary": o.body("summary"), "text": o.body("text")}
	}
	return func(ctx context.Context) error { return t.call(ctx, http.MethodPost, "/check-runs", nil, in, nil) }
}

func (t *gitHubTask) dispatch(p *values) func(context.Context) error {
	in := map[string]any{"event_type": p.required("event_type")}
	if payload, ok := p.whole("client_payload"); ok {
		in["client_payload"] = payload
	}
	return func(ctx context.Context) error { return t.call(ctx, http.MethodPost, "/dispatches", nil, in, nil) }
}

// shorten bounds a text, in characters.
func shorten(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-3]) + "..."
	}
	return s
}
