package server

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// DeploymentTable are the rows of a DeploymentList by columns. Numbers stand for texts, and where it is said for lists of texts.
type DeploymentTable struct {
	Texts   []string          `json:"texts"`
	Lists   [][]int           `json:"lists"`
	Commits CommitColumns     `json:"commits"`
	Rows    DeploymentColumns `json:"rows"`

	Environments []string `json:"environments"`
	Cursor       string   `json:"cursor"`
}

// CommitColumns are commits, each of them once; the first is none.
type CommitColumns struct {
	Revision []int `json:"revision"`
	Subject  []int `json:"subject"`
	Author   []int `json:"author"`
	Date     []int `json:"date"`
	// Host is the address of the commit without its revision, which is its end.
	Host []int `json:"host"`
}

// DeploymentColumns have a number for each row.
type DeploymentColumns struct {
	Name        []int `json:"name"`
	Namespace   []int `json:"namespace"`
	Project     []int `json:"project"`
	Service     []int `json:"service"`
	Environment []int `json:"environment"`
	// Labels are lists of names and values in turn.
	Labels         []int `json:"labels"`
	RepoURL        []int `json:"repoURL"`
	Path           []int `json:"path"`
	Chart          []int `json:"chart"`
	TargetRevision []int `json:"targetRevision"`
	DestServer     []int `json:"destServer"`
	DestName       []int `json:"destName"`
	DestNamespace  []int `json:"destNamespace"`
	// Deployed and Wanted are commits.
	Deployed   []int `json:"deployed"`
	DeployedAt []int `json:"deployedAt"`
	DeployedBy []int `json:"deployedBy"`
	Wanted     []int `json:"wanted"`
	// Images are lists.
	Images    []int `json:"images"`
	Sync      []int `json:"sync"`
	Health    []int `json:"health"`
	Operation []int `json:"operation"`
	// Create, Update and Delete are what a sync would change: numbers of objects.
	Create  []int `json:"create"`
	Update  []int `json:"update"`
	Delete  []int `json:"delete"`
	Problem []int `json:"problem"`
	// Policy adds 1 for automated sync, 2 for self-heal, 4 for prune.
	Policy  []int `json:"policy"`
	Window  []int `json:"window"`
	Created []int `json:"created"`
	// Can are lists.
	Can []int `json:"can"`
}

// DeploymentTable returns what Deployments does, by columns.
func (s *Server) DeploymentTable(ctx context.Context, q *DeploymentQuery) (*DeploymentTable, error) {
	list, err := s.Deployments(ctx, q)
	if err != nil {
		return nil, err
	}
	return deploymentTable(list), nil
}

func deploymentTable(list *DeploymentList) *DeploymentTable {
	t := newTexts()
	commits := newCommitNumbers(t)
	out := &DeploymentTable{Environments: list.Environments, Cursor: list.Cursor}
	for i := range list.Items {
		out.Rows.add(&list.Items[i], t, commits)
	}
	out.Texts, out.Lists, out.Commits = t.list, t.lists, commits.columns
	return out
}

func (c *DeploymentColumns) add(d *Deployment, t *texts, commits *commitNumbers) {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(d.Labels)) {
		labels = append(labels, name, d.Labels[name])
	}
	policy := 0
	for i, on := range []bool{d.AutoSync, d.SelfHeal, d.Prune} {
		if on {
			policy += 1 << i
		}
	}
	for _, cell := range []struct {
		column *[]int
		value  int
	}{
		{&c.Name, t.of(d.Name)}, {&c.Namespace, t.of(d.Namespace)}, {&c.Project, t.of(d.Project)},
		{&c.Service, t.of(d.Service)}, {&c.Environment, t.of(d.Environment)}, {&c.Labels, t.set(labels...)},
		{&c.RepoURL, t.of(d.RepoURL)}, {&c.Path, t.of(d.Path)}, {&c.Chart, t.of(d.Chart)}, {&c.TargetRevision, t.of(d.TargetRevision)},
		{&c.DestServer, t.of(d.DestServer)}, {&c.DestName, t.of(d.DestName)}, {&c.DestNamespace, t.of(d.DestNamespace)},
		{&c.Deployed, commits.of(d.Deployed)}, {&c.DeployedAt, t.time(d.DeployedAt)}, {&c.DeployedBy, t.of(d.DeployedBy)},
		{&c.Wanted, commits.of(d.Wanted)}, {&c.Images, t.set(d.Images...)},
		{&c.Sync, t.of(string(d.Sync))}, {&c.Health, t.of(string(d.Health))}, {&c.Operation, t.of(string(d.Operation))},
		{&c.Create, d.Pending.Create}, {&c.Update, d.Pending.Update}, {&c.Delete, d.Pending.Delete}, {&c.Problem, t.of(d.Problem)},
		{&c.Policy, policy}, {&c.Window, t.of(d.Window)}, {&c.Created, t.time(&d.Created)}, {&c.Can, t.set(d.Can...)},
	} {
		*cell.column = append(*cell.column, cell.value)
	}
}

// commitNumbers numbers commits. Applications of one repository share most of theirs.
type commitNumbers struct {
	texts   *texts
	seen    map[[5]int]int
	columns CommitColumns
}

func newCommitNumbers(t *texts) *commitNumbers {
	c := &commitNumbers{texts: t, seen: map[[5]int]int{}}
	c.row([5]int{})
	return c
}

func (c *commitNumbers) of(commit *Commit) int {
	if commit == nil {
		return 0
	}
	host, ok := strings.CutSuffix(commit.URL, commit.Revision)
	if !ok {
		host = "" // the pages then show the commit without a link
	}
	t := c.texts
	return c.row([5]int{t.of(commit.Revision), t.of(commit.Subject), t.of(commit.Author), t.time(commit.Date), t.of(host)})
}

func (c *commitNumbers) row(row [5]int) int {
	n, ok := c.seen[row]
	if !ok {
		n = len(c.seen)
		c.seen[row] = n
		for i, column := range []*[]int{&c.columns.Revision, &c.columns.Subject, &c.columns.Author, &c.columns.Date, &c.columns.Host} {
			*column = append(*column, row[i])
		}
	}
	return n
}
