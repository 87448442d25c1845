// Package deeplink makes links to other systems: the templates of argocd-cm and the objects that a page is about go in; links come
// out. Templates are text/template with some functions of sprig, conditions are expressions of expr-lang, both as in Argo CD, and
// both bounded in what they make.
package deeplink

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/internal/expression"
)

// Keys of argocd-cm.
const (
	Application = "application.links"
	Project     = "project.links"
	Resource    = "resource.links"
)

// Bounds of a setting, and of what one template makes.
const (
	maxText  = 256 << 10
	maxLinks = 200
	maxURL   = 4 << 10
)

// Link is a page of another system.
type Link struct{ Title, URL, Description, IconClass string }

// Set are the compiled templates of one setting. It is safe for concurrent use.
type Set struct{ templates []entry }

type entry struct {
	link      Link // without URL
	url       *expression.Template
	condition *expression.Condition // nil: always
}

// Parse reads a setting: a list of title, url, description, icon.class and if. What cannot be read is left out and told, by its
// place in the list.
func Parse(text string) (*Set, []error) {
	if len(text) > maxText {
		return &Set{}, []error{fmt.Errorf("%d bytes are more than %d", len(text), maxText)}
	}
	var written []struct {
		Title       string `json:"title"`
		URL         string `json:"url"`
		Description string `json:"description"`
		IconClass   string `json:"icon.class"`
		If          string `json:"if"`
	}
	if err := yaml.Unmarshal([]byte(text), &written); err != nil {
		return &Set{}, []error{errors.New("it is no list of links with title and url")}
	}
	if len(written) > maxLinks {
		return &Set{}, []error{fmt.Errorf("%d links are more than %d", len(written), maxLinks)}
	}
	s := &Set{}
	var problems []error
	for i, w := range written {
		e := entry{link: Link{Title: w.Title, Description: w.Description, IconClass: w.IconClass}}
		err := e.compile(w.URL, w.If)
		if w.Title == "" {
			err = errors.New("it has no title")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("link %d (%s): %w", i+1, w.Title, err))
			continue
		}
		s.templates = append(s.templates, e)
	}
	return s, problems
}

func (e *entry) compile(url, condition string) error {
	if url == "" {
		return errors.New("it has no url")
	}
	var err error
	if e.url, err = expression.ParseTemplate(url, nil); err != nil {
		return fmt.Errorf("the url: %w", err)
	}
	if condition == "" {
		return nil
	}
	if e.condition, err = expression.ParseCondition(condition); err != nil {
		return fmt.Errorf("the condition: %w", err)
	}
	return nil
}

// Links are those whose condition holds, each with its address filled in. Addresses that are none of the web are left out, and so
// is what fails; it is told.
func (s *Set) Links(data map[string]any) (links []Link, problems []error) {
	if s == nil {
		return nil, nil
	}
	for _, e := range s.templates {
		link, shown, err := e.fill(data)
		switch {
		case err != nil:
			problems = append(problems, fmt.Errorf("link %s: %w", e.link.Title, err))
		case shown:
			links = append(links, link)
		}
	}
	return links, problems
}

func (e *entry) fill(data map[string]any) (link Link, shown bool, err error) {
	if e.condition != nil {
		if shown, err = e.holds(data); err != nil || !shown {
			return Link{}, false, err
		}
	}
	url, err := e.url.Fill(data, maxURL)
	if err != nil {
		return Link{}, false, fmt.Errorf("fill the url in: %w", err)
	}
	link = e.link
	link.URL = strings.TrimSpace(url)
	if !strings.HasPrefix(link.URL, "https://") && !strings.HasPrefix(link.URL, "http://") {
		return Link{}, false, errors.New("its url begins with neither https:// nor http://")
	}
	return link, true, nil
}

// holds evaluates the condition. A text that is there holds, as the presence of an annotation does; what is not there does not.
func (e *entry) holds(data map[string]any) (bool, error) {
	value, err := e.condition.Value(data)
	if err != nil {
		return false, fmt.Errorf("evaluate the condition: %w", err)
	}
	switch v := value.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case string:
		return v != "", nil
	}
	return false, fmt.Errorf("the condition gives a %T, true or false is wanted", value)
}
