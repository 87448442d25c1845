package glob

import (
	"cmp"
	"errors"
	"iter"
	"slices"
	"strings"
)

// Kinds holds a value for each kind of object, or for all kinds that two globs match, as keys of settings name them. The zero value
// is empty. It is safe for concurrent use once nothing is set any more.
type Kinds[T any] struct {
	exact    map[string]T // by group/Kind
	patterns []kindsOf[T] // the most exact first
}

type kindsOf[T any] struct {
	text        string
	group, kind Pattern
	value       T
}

// Set sets the value of a kind, or of the kinds that match; what was set under the same words before counts no more. The error says
// that one of them is no glob.
func (k *Kinds[T]) Set(group, kind string, value T) error {
	text := group + "/" + kind
	if !strings.ContainsAny(text, "*?[{") {
		if k.exact == nil {
			k.exact = map[string]T{}
		}
		k.exact[text] = value
		return nil
	}
	groups, errGroup := Compile(group)
	kinds, errKind := Compile(kind)
	if err := errors.Join(errGroup, errKind); err != nil {
		return err
	}
	k.patterns = slices.DeleteFunc(k.patterns, func(p kindsOf[T]) bool { return p.text == text })
	k.patterns = append(k.patterns, kindsOf[T]{text, groups, kinds, value})
	// Argo CD takes any that matches; an order makes the choice the same each time.
	slices.SortFunc(k.patterns, func(a, b kindsOf[T]) int {
		return cmp.Or(cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text))
	})
	return nil
}

// Of returns the value of a kind: its own, else that of the longest globs that match it.
func (k *Kinds[T]) Of(group, kind string) (value T, ok bool) {
	if value, ok := k.exact[group+"/"+kind]; ok {
		return value, true
	}
	for _, p := range k.patterns {
		if p.group.Match(group) && p.kind.Match(kind) {
			return p.value, true
		}
	}
	return value, false
}

// Values yields all values, in no order.
func (k *Kinds[T]) Values() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, value := range k.exact {
			if !yield(value) {
				return
			}
		}
		for _, p := range k.patterns {
			if !yield(p.value) {
				return
			}
		}
	}
}
