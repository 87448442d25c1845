package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// look is what a query said about the target when it last looked.
type look struct {
	what any
	err  error // of the query
	seen int
}

func (l *look) String() string {
	var b strings.Builder
	if l.err != nil {
		fmt.Fprintf(&b, "%v\n", l.err)
	}
	fmt.Fprintf(&b, "seen %d times, last:\n", l.seen)
	switch v := l.what.(type) {
	case nil:
		b.WriteString(describe(nil))
	case map[string]any:
		b.WriteString(describe(&unstructured.Unstructured{Object: v}))
	case []any:
		fmt.Fprintf(&b, "%d objects\n", len(v))
		for _, one := range v[:min(len(v), 5)] {
			if m, ok := one.(map[string]any); ok {
				b.WriteString("---\n" + describe(&unstructured.Unstructured{Object: m}))
			}
		}
	}
	return b.String()
}

// judge follows a target and asks the query at each change, until it says want. A query that can say nothing ends it.
func (c *call) judge(ctx context.Context, t target, q *query, want bool) (*look, error) {
	l := &look{}
	var never error
	err := c.objects.follow(ctx, t, func(what any) bool {
		l.what, l.seen = what, l.seen+1
		var holds bool
		if holds, l.err = q.holds(ctx, what); errors.Is(l.err, errNever) {
			never = l.err
			return true
		}
		return holds == want
	})
	if never != nil {
		return l, never
	}
	return l, err
}

// untilTrue waits until a query is true of a target; last, if not nil, becomes the object.
func (c *call) untilTrue(t target, text string, last **unstructured.Unstructured) error {
	q, err := compile(text, c.variables(c.ts, text))
	if err != nil {
		return err
	}
	started := time.Now()
	l, err := c.judge(c.ctx, t, q, true)
	if errors.Is(err, errNever) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %q did not become true within %s (%v)\n%s", t, text, time.Since(started).Round(time.Second), err, l)
	}
	if m, ok := l.what.(map[string]any); ok && last != nil {
		*last = &unstructured.Unstructured{Object: m}
	}
	return nil
}

func await(c *call) error {
	return c.untilTrue(c.parse(c.args[0], c.namespace, c.selector), c.args[1], nil)
}

// absent waits until an object is gone.
func absent(c *call) error {
	t := c.parse(c.args[0], c.namespace, "")
	if t.name == "" {
		return fmt.Errorf("absent: want KIND/NAME, not %q", c.args[0])
	}
	return c.untilTrue(t, ". == null", nil)
}

// expect asks once.
func expect(c *call) error {
	t := c.parse(c.args[0], c.namespace, c.selector)
	q, err := compile(c.args[1], c.variables(c.ts, c.args[1]))
	if err != nil {
		return err
	}
	l := &look{}
	var holds bool
	err = c.objects.follow(c.ctx, t, func(what any) bool {
		l.what, l.seen = what, 1
		holds, l.err = q.holds(c.ctx, what)
		return true
	})
	if err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	if !holds {
		return fmt.Errorf("%s: %q is not true\n%s", t, c.args[1], l)
	}
	return nil
}

// steady asks for a while, at every change.
func steady(c *call) error {
	span, err := time.ParseDuration(c.args[2])
	if err != nil || span <= 0 || span > c.within {
		return fmt.Errorf("steady: want a duration of at most %s, not %q", c.within, c.args[2])
	}
	if err := expect(c); err != nil {
		return err
	}
	t := c.parse(c.args[0], c.namespace, c.selector)
	q, err := compile(c.args[1], c.variables(c.ts, c.args[1]))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, span)
	defer cancel()
	l, err := c.judge(ctx, t, q, false)
	switch {
	case err == nil:
		return fmt.Errorf("%s: %q ceased to be true\n%s", t, c.args[1], l)
	case ctx.Err() != nil && c.ctx.Err() == nil:
		return nil
	}
	return err
}
