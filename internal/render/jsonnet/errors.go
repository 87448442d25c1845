package jsonnet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	gojsonnet "github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/ast"

	"github.com/belaycd/belay/internal/fault"
)

const (
	maxMessage = 2000 // bytes of what a program says in an error
	maxCallers = 3    // places that called the one that failed
)

// explain turns an error of the library, or the reason why the evaluation was ended, into one for people: the place
// first, then what is wrong, then from where it was called.
func explain(name string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var failed gojsonnet.RuntimeError
	if !errors.As(err, &failed) {
		if kind := fault.KindOf(err); kind != fault.Internal {
			return fault.New(kind, "%s: %w", name, err)
		}
		// The rest are errors of syntax in the code of variables, which begin with their place. A second line would be
		// the stack of a defect in the library.
		text, _, _ := strings.Cut(err.Error(), "\n")
		return fault.New(fault.Invalid, "%s: %s", name, clip(variables(text)))
	}
	// An error of syntax in an import, or in a variable, begins with its place.
	message := clip(variables(failed.Msg))
	places := places(failed.StackTrace)
	switch {
	case strings.HasPrefix(message, name+":"):
		return fault.New(fault.Invalid, "%s", message)
	case len(places) == 0:
		return fault.New(fault.Invalid, "%s: %s", name, message)
	}
	text := places[0] + ": " + message
	if callers := places[1:min(len(places), 1+maxCallers)]; len(callers) > 0 {
		text += " (called from " + strings.Join(callers, ", from ") + ")"
	}
	return fault.New(fault.Invalid, "%s", text)
}

// places lists the lines of the program, the innermost first, without those of the standard library and of the wrapper.
func places(trace []gojsonnet.TraceFrame) []string {
	var out []string
	for i := len(trace) - 1; i >= 0; i-- {
		place := placeOf(trace[i].Loc)
		if place != "" && (len(out) == 0 || out[len(out)-1] != place) {
			out = append(out, place)
		}
	}
	return out
}

func placeOf(loc ast.LocationRange) string {
	if loc.File == nil || !loc.IsSet() {
		return ""
	}
	file := string(loc.File.DiagnosticFileName)
	if file == "" || file == wrapperName || file == "<std>" {
		return ""
	}
	file = variables(file)
	return fmt.Sprintf("%s:%d:%d", file, loc.Begin.Line, loc.Begin.Column)
}

// variables gives the code of variables the names that they have in an Application.
func variables(text string) string {
	return strings.NewReplacer("<extvar:"+argument, "<tla ", "<extvar:", "<extVar ").Replace(text)
}

func clip(text string) string {
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return strings.TrimSpace(text)
}
