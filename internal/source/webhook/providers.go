package webhook

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// fileChanges is how GitHub, GitLab, Gitea and Gogs list what a commit touched.
type fileChanges struct {
	Added    []string `json:"added"`
	Modified []string `json:"modified"`
	Removed  []string `json:"removed"`
}

// touched joins the files of all commits; nil when there are none, which is when the host does not tell them.
func touched(commits []fileChanges) []string {
	var files []string
	for _, c := range commits {
		files = slices.Concat(files, c.Added, c.Modified, c.Removed)
		if len(files) > maxList {
			break
		}
	}
	slices.Sort(files)
	return slices.Compact(files)
}

// urls returns those addresses that the host has given.
func urls(candidates ...string) []string {
	var out []string
	for _, u := range candidates {
		if u != "" && !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// sha returns a commit, or nothing for the zeros that stand for "no commit".
func sha(s string) string {
	if strings.Trim(s, "0") == "" {
		return ""
	}
	return s
}

// parseGitHub reads push events of GitHub, Gitea, Forgejo and Gogs, and their create and delete events, which name a ref
// without its kind.
func parseGitHub(kind string, _ http.Header, body []byte) (Event, error) {
	if kind != "push" && kind != "create" && kind != "delete" {
		return Event{}, nil
	}
	var p struct {
		Ref        string        `json:"ref"`
		RefType    string        `json:"ref_type"`
		Before     string        `json:"before"`
		After      string        `json:"after"`
		Forced     bool          `json:"forced"`
		Commits    []fileChanges `json:"commits"`
		Repository struct {
			HTMLURL       string `json:"html_url"`
			CloneURL      string `json:"clone_url"`
			SSHURL        string `json:"ssh_url"`
			DefaultBranch string `json:"default_branch"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, err
	}
	e := Event{
		RepoURLs:      urls(p.Repository.HTMLURL, p.Repository.CloneURL, p.Repository.SSHURL),
		DefaultBranch: p.Repository.DefaultBranch,
	}
	ref := p.Ref
	if kind != "push" && !strings.HasPrefix(ref, "refs/") {
		ref = map[string]string{"branch": "refs/heads/", "tag": "refs/tags/"}[p.RefType] + ref
	}
	if ref != "" {
		e.Changes = []Change{{Ref: ref, Before: sha(p.Before), After: sha(p.After)}}
	}
	// The commits of a forced push or a new branch do not tell how it differs from what was there before.
	if kind == "push" && !p.Forced && sha(p.Before) != "" && sha(p.After) != "" {
		e.Files = touched(p.Commits)
	}
	return e, nil
}

// parseGitLab reads push and tag events, also as system hooks.
func parseGitLab(_ string, _ http.Header, body []byte) (Event, error) {
	var p struct {
		ObjectKind   string        `json:"object_kind"`
		EventName    string        `json:"event_name"`
		Ref          string        `json:"ref"`
		Before       string        `json:"before"`
		After        string        `json:"after"`
		TotalCommits int           `json:"total_commits_count"`
		Commits      []fileChanges `json:"commits"`
		Project      struct {
			WebURL        string `json:"web_url"`
			HTTPURL       string `json:"git_http_url"`
			SSHURL        string `json:"git_ssh_url"`
			DefaultBranch string `json:"default_branch"`
		} `json:"project"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, err
	}
	kinds := []string{"push", "tag_push", "repository_update"}
	if !slices.Contains(kinds, p.ObjectKind) && !slices.Contains(kinds, p.EventName) {
		return Event{}, nil
	}
	e := Event{
		RepoURLs:      urls(p.Project.WebURL, p.Project.HTTPURL, p.Project.SSHURL),
		DefaultBranch: p.Project.DefaultBranch,
	}
	if p.Ref != "" {
		e.Changes = []Change{{Ref: p.Ref, Before: sha(p.Before), After: sha(p.After)}}
	}
	// GitLab sends the last 20 commits at most.
	if sha(p.Before) != "" && sha(p.After) != "" && p.TotalCommits == len(p.Commits) {
		e.Files = touched(p.Commits)
	}
	return e, nil
}

// parseBitbucket reads push events of Bitbucket Cloud, which tell no files.
func parseBitbucket(_ string, h http.Header, body []byte) (Event, error) {
	if h.Get("X-Event-Key") != "repo:push" {
		return Event{}, nil
	}
	type end struct {
		Type   string `json:"type"`
		Name   string `json:"name"`
		Target struct {
			Hash string `json:"hash"`
		} `json:"target"`
	}
	var p struct {
		Push struct {
			Changes []struct {
				Old *end `json:"old"`
				New *end `json:"new"`
			} `json:"changes"`
		} `json:"push"`
		Repository struct {
			Links struct {
				HTML struct {
					Href string `json:"href"`
				} `json:"html"`
			} `json:"links"`
			Mainbranch struct {
				Name string `json:"name"`
			} `json:"mainbranch"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, err
	}
	e := Event{RepoURLs: urls(p.Repository.Links.HTML.Href), DefaultBranch: p.Repository.Mainbranch.Name}
	for _, c := range p.Push.Changes {
		named := c.New
		if named == nil {
			named = c.Old
		}
		if named == nil {
			continue
		}
		change := Change{Ref: "refs/heads/" + named.Name}
		if named.Type == "tag" {
			change.Ref = "refs/tags/" + named.Name
		}
		if c.Old != nil {
			change.Before = c.Old.Target.Hash
		}
		if c.New != nil {
			change.After = c.New.Target.Hash
		}
		e.Changes = append(e.Changes, change)
	}
	return e, nil
}

// parseBitbucketServer reads push events of Bitbucket Server and Data Center, which tell no files.
func parseBitbucketServer(kind string, _ http.Header, body []byte) (Event, error) {
	if kind != "repo:refs_changed" {
		return Event{}, nil
	}
	type link struct {
		Href string `json:"href"`
	}
	var p struct {
		Changes []struct {
			Ref struct {
				ID string `json:"id"`
			} `json:"ref"`
			From string `json:"fromHash"`
			To   string `json:"toHash"`
		} `json:"changes"`
		Repository struct {
			Links struct {
				Clone []link `json:"clone"`
				Self  []link `json:"self"`
			} `json:"links"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, err
	}
	var e Event
	for _, l := range slices.Concat(p.Repository.Links.Clone, p.Repository.Links.Self) {
		e.RepoURLs = urls(append(e.RepoURLs, l.Href)...)
		if len(e.RepoURLs) == 10 {
			break // two clone addresses are usual
		}
	}
	for _, c := range p.Changes {
		e.Changes = append(e.Changes, Change{Ref: c.Ref.ID, Before: sha(c.From), After: sha(c.To)})
	}
	return e, nil
}

// parseAzure reads push events of Azure DevOps, which tell no files.
func parseAzure(_ string, _ http.Header, body []byte) (Event, error) {
	var p struct {
		EventType string `json:"eventType"`
		Resource  struct {
			RefUpdates []struct {
				Name string `json:"name"`
				Old  string `json:"oldObjectId"`
				New  string `json:"newObjectId"`
			} `json:"refUpdates"`
			Repository struct {
				RemoteURL     string `json:"remoteUrl"`
				DefaultBranch string `json:"defaultBranch"`
			} `json:"repository"`
		} `json:"resource"`
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return Event{}, err
	}
	if p.EventType != "git.push" {
		return Event{}, nil
	}
	e := Event{
		RepoURLs:      urls(p.Resource.Repository.RemoteURL),
		DefaultBranch: strings.TrimPrefix(p.Resource.Repository.DefaultBranch, "refs/heads/"),
	}
	for _, u := range p.Resource.RefUpdates {
		e.Changes = append(e.Changes, Change{Ref: u.Name, Before: sha(u.Old), After: sha(u.New)})
	}
	return e, nil
}
