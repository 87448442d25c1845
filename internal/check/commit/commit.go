package commit

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

// Commit is one whose message is judged.
type Commit struct {
	ID string
	// Merge says that it has several parents: git writes its message.
	Merge   bool
	Message string
}

// Checker implements check.Checker.
type Checker struct {
	commits []Commit
	title   *string
}

// New returns a Checker of commits, and of the title of a pull request unless it is nil.
func New(commits []Commit, title *string) *Checker { return &Checker{commits: commits, title: title} }

// DefaultTypes are the types that are accepted unless the settings name others.
func DefaultTypes() []string {
	return []string{"build", "chore", "ci", "docs", "feat", "fix", "perf", "refactor", "revert", "style", "test"}
}

// Rules implements check.Checker.
func (*Checker) Rules() []check.Rule {
	return []check.Rule{{
		ID: "commit-message", Title: "message of a commit that is no Conventional Commit", Severity: check.Warning,
		Why:       "Release notes, version numbers and the search for the change that broke something read the type and the scope of every commit.",
		Fix:       "Write the first line as \"type(scope): description\", such as \"fix(shop): keep the cart over a restart\"; git commit --amend or git rebase -i reword it.",
		Standards: []string{"Conventional Commits 1.0.0"},
	}}
}

// Check implements check.Checker.
func (c *Checker) Check(_ context.Context, repo *check.Repository, report func(check.Finding)) error {
	config := repo.Config.Commits
	if len(config.Types) == 0 {
		config.Types = DefaultTypes()
	}
	for _, commit := range c.commits {
		if commit.Merge {
			continue
		}
		if wrong := Judge(commit.Message, config); wrong != "" {
			report(check.Finding{Rule: "commit-message", Place: check.Place{Commit: "commit " + commit.ID}, Message: fmt.Sprintf("the message %s: %s", quote(commit.Message), wrong)})
		}
	}
	if c.title != nil {
		if wrong := Judge(*c.title, config); wrong != "" {
			report(check.Finding{Rule: "commit-message", Place: check.Place{Commit: "title"}, Message: fmt.Sprintf("the title %s: %s", quote(*c.title), wrong),
				Fix: "Write the title as \"type(scope): description\": a squash merge makes it the message of the commit."})
		}
	}
	return nil
}

// Judge says what is wrong with a message, nothing if it is as it should be.
func Judge(text string, config check.CommitConfig) string {
	for _, prefix := range []string{"fixup! ", "squash! ", "amend! "} {
		if strings.HasPrefix(text, prefix) {
			return "it is to be put into another commit before the merge: git rebase -i --autosquash"
		}
	}
	if strings.HasPrefix(text, `Revert "`) || strings.HasPrefix(text, `Reapply "`) {
		return "" // git's own words for it
	}
	m, err := Parse(text)
	if err != nil {
		return err.Error()
	}
	same := func(want string) func(string) bool { return func(s string) bool { return strings.EqualFold(s, want) } }
	if !slices.ContainsFunc(config.Types, same(m.Type)) {
		return fmt.Sprintf("the type %s is none of %s", m.Type, strings.Join(config.Types, ", "))
	}
	if m.Scope != "" && len(config.Scopes) > 0 && !slices.ContainsFunc(config.Scopes, same(m.Scope)) {
		return fmt.Sprintf("the scope %s is none of %s", m.Scope, strings.Join(config.Scopes, ", "))
	}
	return ""
}

// quote returns the first line, shortened.
func quote(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	runes := []rune(line)
	if len(runes) > 72 {
		return fmt.Sprintf("%q...", string(runes[:72]))
	}
	return fmt.Sprintf("%q", line)
}
