package access

import (
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/glob"
)

const (
	modeGlob  = "glob"
	modeRegex = "regex"
)

// line is one line of a policy: "p, subject, resource, action, object, effect" or "g, member, role".
type line struct {
	text  string // as written
	place string

	// of a p line
	subject                  string
	anybody                  bool // who is meant cannot be read
	fields                   [3]string
	resource, action, object matcher
	deny                     bool

	// of a g line
	member, role string
}

// matcher matches a field of a request.
type matcher struct {
	all      bool
	literal  string
	match    func(string) bool // nil: literal
	isRegexp bool
}

func (m matcher) matches(value string) bool {
	if m.all {
		return true
	}
	if m.match == nil {
		return value == m.literal
	}
	return m.match(value)
}

// matchAll matches everything: what a field means that cannot be read, in a line that denies.
func matchAll() matcher { return matcher{all: true} }

// maxPattern bounds regular expressions, and with them the memory of a compiled one.
const maxPattern = 1024

// compile reads a pattern. A glob's * takes slashes too; a regular expression matches anywhere, unless it is anchored.
func compile(mode, text string) (matcher, error) {
	if mode == modeRegex {
		if len(text) > maxPattern {
			return matcher{}, fmt.Errorf("a regular expression of %d bytes is longer than %d", len(text), maxPattern)
		}
		re, err := regexp.Compile(text)
		if err != nil {
			return matcher{}, fmt.Errorf("%q is no regular expression", text)
		}
		return matcher{match: re.MatchString, isRegexp: true}, nil
	}
	if text == "*" {
		return matchAll(), nil
	}
	if !strings.ContainsAny(text, `*?[]{}\`) {
		return matcher{literal: text}, nil
	}
	g, err := glob.Compile(text)
	if err != nil {
		return matcher{}, err
	}
	return matcher{match: g.Match}, nil
}

// reader turns texts into lines and keeps what was wrong with them.
type reader struct {
	mode     string
	problems []error
}

func (r *reader) problem(place, text, reason string, closed bool) {
	r.problems = append(r.problems, &Problem{Place: place, Text: text, Reason: reason, Closed: closed})
}

// configMap reads policy.csv and all policy.<name>.csv.
func (r *reader) configMap(data map[string]string) (lines []*line) {
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if key != keyCSV && !(strings.HasPrefix(key, "policy.") && strings.HasSuffix(key, ".csv")) {
			continue
		}
		number := 0
		for text := range strings.SplitSeq(data[key], "\n") {
			number++
			if l := r.line(strings.TrimSpace(text), fmt.Sprintf("%s %s line %d", ConfigMapName, key, number)); l != nil {
				lines = append(lines, l)
			}
		}
	}
	return lines
}

// line reads one line; nil for one that says nothing.
func (r *reader) line(text, place string) *line {
	if text == "" || strings.HasPrefix(text, "#") {
		return nil
	}
	fields, err := split(text)
	if err != nil {
		return r.closed(&line{text: text, place: place, anybody: true}, "cannot be read ("+err.Error()+")")
	}
	switch fields[0] {
	case "p":
		return r.permission(fields, text, place)
	case "g":
		if len(fields) == 3 && fields[1] != "" && fields[2] != "" {
			r.blanks(fields, text, place)
			return &line{text: text, place: place, member: fields[1], role: fields[2]}
		}
		l := &line{text: text, place: place}
		l.subject, l.anybody = subjectOf(fields)
		return r.closed(l, "a line that gives a role is: g, <user or group>, <role>")
	}
	return r.closed(&line{text: text, place: place, anybody: true}, fmt.Sprintf("begins with %q: it must be p or g", fields[0]))
}

// split parts a line at its commas, with the quotes of CSV.
func split(text string) ([]string, error) {
	reader := csv.NewReader(strings.NewReader(text))
	reader.TrimLeadingSpace = true
	fields, err := reader.Read()
	if err != nil {
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			err = parse.Err
		}
		return nil, err
	}
	return fields, nil
}

func subjectOf(fields []string) (name string, anybody bool) {
	if len(fields) < 2 || strings.TrimSpace(fields[1]) == "" {
		return "", true
	}
	return strings.TrimSpace(fields[1]), false
}

// closed makes l a line that denies whomever it may have meant everything that it may have meant.
func (r *reader) closed(l *line, reason string) *line {
	who := "everybody but the account admin"
	if !l.anybody {
		who = l.subject
	}
	r.problem(l.place, l.text, reason+"; until it is mended it denies everything to "+who, true)
	l.deny = true
	l.resource, l.action, l.object = matchAll(), matchAll(), matchAll()
	l.fields = [3]string{"*", "*", "*"}
	return l
}

// permission reads a p line.
func (r *reader) permission(fields []string, text, place string) *line {
	l := &line{text: text, place: place}
	l.subject, l.anybody = subjectOf(fields)
	if len(fields) != 6 {
		return r.closed(l, fmt.Sprintf("has %d fields of 6: p, <subject>, <resource>, <action>, <object>, <allow or deny>", len(fields)))
	}
	l.fields = [3]string(fields[2:5])
	switch effect := fields[5]; {
	case effect == "allow" && l.anybody:
		r.problem(place, text, "names nobody, and allows nobody anything", false)
		return nil
	case effect == "allow":
		r.blanks(fields, text, place)
		l.subject = fields[1]
	case effect == "deny" && l.anybody:
		return r.closed(l, "denies, and names nobody")
	case effect == "deny":
		l.deny = true
	default:
		l.deny = true
		r.problem(place, text, fmt.Sprintf("the effect %q is neither allow nor deny: the line denies", effect), true)
	}
	broken := false
	for i, into := range []*matcher{&l.resource, &l.action, &l.object} {
		pattern := l.fields[i]
		if l.deny {
			pattern = strings.TrimSpace(pattern)
		}
		m, err := compile(r.mode, pattern)
		if err == nil {
			*into = m
			continue
		}
		broken = true
		*into = matchAll()
		if l.deny {
			r.problem(place, text, err.Error()+"; until it is mended the line denies whatever stands there", true)
		} else {
			r.problem(place, text, err.Error()+"; the line allows nothing", false)
		}
	}
	if broken && !l.deny {
		return nil
	}
	r.unknown(l)
	return l
}

// blanks names fields that end with a blank: it counts, so that they match nothing that anybody is called.
func (r *reader) blanks(fields []string, text, place string) {
	for _, f := range fields {
		if strings.TrimRight(f, " \t") != f {
			r.problem(place, text, fmt.Sprintf("the field %q ends with a blank, which counts: it matches no name without one", f), false)
			return
		}
	}
}

// unknown names lines that match nothing because there is no such resource or action.
func (r *reader) unknown(l *line) {
	if r.mode == modeRegex {
		return
	}
	var known []string
	for _, resource := range Resources() {
		if l.resource.matches(resource) {
			known = append(known, resource)
		}
	}
	if len(known) == 0 {
		r.problem(l.place, l.text, fmt.Sprintf("there is no resource %q: the line has no effect; resources are %s", l.fields[0], strings.Join(Resources(), ", ")), false)
		return
	}
	if strings.ContainsAny(l.fields[1], `*?[]{}\`) {
		return
	}
	for _, resource := range known {
		if HasAction(resource, l.fields[1]) {
			return
		}
	}
	r.problem(l.place, l.text, fmt.Sprintf("there is no action %q on %s: the line has no effect; actions are %s", l.fields[1], l.fields[0],
		strings.Join(Actions(known[0]), ", ")), false)
}

// project reads the roles of a project. Their lines may speak about the role itself and the project's own objects only.
func (r *reader) project(project *v1alpha1.AppProject) (lines []*line) {
	for _, role := range project.Spec.Roles {
		place := "project " + project.Name + " role " + role.Name
		subject := "proj:" + project.Name + ":" + role.Name
		if role.Name == "" || strings.ContainsAny(role.Name, ":/,") || strings.ContainsAny(project.Name, ":/,") {
			r.problem(place, "", "the role's name cannot be used: it must hold none of : / ,", false)
			continue
		}
		// Whoever has a role of a project sees the project.
		see := &line{text: strings.Join([]string{"p", subject, Projects, Get, project.Name, "allow"}, ", "), place: place, subject: subject,
			fields: [3]string{Projects, Get, project.Name}, resource: matcher{literal: Projects}, action: matcher{literal: Get}, object: matcher{literal: project.Name}}
		lines = append(lines, see)
		for i, text := range role.Policies {
			at := fmt.Sprintf("%s policy %d", place, i+1)
			if l := r.rolePolicy(strings.TrimSpace(text), at, project.Name, subject); l != nil {
				lines = append(lines, l)
			}
		}
		for _, group := range role.Groups {
			if group == "" {
				r.problem(place, "", "a group has no name", false)
				continue
			}
			lines = append(lines, &line{text: "group " + group, place: place, member: group, role: subject})
		}
	}
	return lines
}

// rolePolicy reads a line of a project's role. One that may not stand there denies the role what it may have meant.
func (r *reader) rolePolicy(text, place, project, subject string) *line {
	if text == "" || strings.HasPrefix(text, "#") {
		return nil
	}
	refuse := func(reason string) *line {
		return r.closed(&line{text: text, place: place, subject: subject}, reason)
	}
	fields, err := split(text)
	if err != nil {
		return refuse("cannot be read (" + err.Error() + ")")
	}
	if strings.Contains(text, "\n") {
		return refuse("is more than one line")
	}
	if fields[0] != "p" || len(fields) != 6 {
		return refuse("a policy of a role is: p, " + subject + ", <resource>, <action>, " + project + "/<object>, <allow or deny>")
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	allows := fields[5] == "allow"
	object, inside := strings.CutPrefix(fields[4], project+"/")
	switch {
	case fields[1] != subject && allows:
		r.problem(place, text, "speaks about "+fields[1]+", and a role may speak about itself only ("+subject+"): the line allows nothing", false)
		return nil
	case fields[1] != subject:
		return refuse("speaks about " + fields[1] + ", and a role may speak about itself only (" + subject + ")")
	case (!inside || object == "") && allows:
		r.problem(place, text, "the object "+fields[4]+" is not in the project: it must begin with "+project+"/; the line allows nothing", false)
		return nil
	case !inside || object == "":
		return refuse("the object " + fields[4] + " is not in the project: it must begin with " + project + "/")
	}
	return r.permission(fields, text, place)
}
