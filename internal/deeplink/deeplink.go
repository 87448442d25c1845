// Package deeplink makes links to other systems: the templates of argocd-cm and the objects that a page is about go in; links come
// out. Templates are text/template with some functions of sprig, conditions are expressions of expr-lang, both as in Argo CD, and
// both bounded in what they make.
package deeplink

import (
	"errors"
	"fmt"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"
	"sigs.k8s.io/yaml"
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
	url       *template.Template
	condition *vm.Program // nil: always
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
	if e.url, err = template.New("url").Funcs(functions()).Parse(url); err != nil {
		return fmt.Errorf("the url is no template: %w", err)
	}
	if condition == "" {
		return nil
	}
	if e.condition, err = expr.Compile(condition, expr.AllowUndefinedVariables()); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("the condition is no expression: %s", first)
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
	defer func() {
		if why := recover(); why != nil {
			err = errors.New("it broke its interpreter")
		}
	}()
	if e.condition != nil {
		if shown, err = e.holds(data); err != nil || !shown {
			return Link{}, false, err
		}
	}
	out := &bounded{}
	if err := e.url.Execute(out, data); err != nil {
		return Link{}, false, fmt.Errorf("fill the url in: %w", err)
	}
	link = e.link
	// What an object has not is empty, as in charts.
	link.URL = strings.TrimSpace(strings.ReplaceAll(out.text.String(), "<no value>", ""))
	if !strings.HasPrefix(link.URL, "https://") && !strings.HasPrefix(link.URL, "http://") {
		return Link{}, false, errors.New("its url begins with neither https:// nor http://")
	}
	return link, true, nil
}

// holds evaluates the condition. A text that is there holds, as the presence of an annotation does; what is not there does not.
func (e *entry) holds(data map[string]any) (bool, error) {
	value, err := expr.Run(e.condition, data)
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return false, fmt.Errorf("evaluate the condition: %s", first)
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

// bounded is an address that is being written.
type bounded struct{ text strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > maxURL {
		return 0, fmt.Errorf("it is longer than %d bytes", maxURL)
	}
	return b.text.Write(p)
}

// functions are those of sprig that make no more than they are given, from nothing but that.
func functions() template.FuncMap {
	all, out := sprig.GenericFuncMap(), template.FuncMap{}
	for _, name := range []string{
		"abbrev", "add", "add1", "all", "any", "atoi", "b64dec", "b64enc", "base", "camelcase", "cat", "coalesce", "compact", "concat", "contains", "default",
		"dict", "dig", "dir", "div", "empty", "ext", "first", "fromJson", "get", "has", "hasKey", "hasPrefix", "hasSuffix", "initial", "int", "int64", "join",
		"kebabcase", "keys", "kindIs", "kindOf", "last", "list", "lower", "max", "min", "mod", "mul", "omit", "pick", "pluck", "quote", "regexFind", "regexMatch",
		"replace", "rest", "reverse", "sha1sum", "sha256sum", "slice", "snakecase", "sortAlpha", "split", "splitList", "splitn", "squote", "sub", "substr",
		"ternary", "title", "toJson", "toString", "toStrings", "trim", "trimAll", "trimPrefix", "trimSuffix", "trunc", "uniq", "upper", "urlParse", "values",
		"without",
	} {
		out[name] = all[name]
	}
	out["printf"] = printf
	return out
}

// printf is fmt.Sprintf without widths, which are a short way to write much.
func printf(format string, args ...any) (string, error) {
	for i, r := range format {
		if r != '%' || i+1 >= len(format) {
			continue
		}
		if strings.ContainsAny(format[i+1:i+2], "0123456789*.+-# [") {
			return "", errors.New("printf: widths and flags are not served in links")
		}
	}
	return fmt.Sprintf(format, args...), nil
}
