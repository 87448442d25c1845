package settings

import (
	"fmt"
	"log/slog"
	"strings"
)

// hidden is what is shown in the place of a secret.
const hidden = "***"

// Secret holds a value that no printing shows: not fmt with any verb, not slog, not JSON, and not even reflection on an
// unexported field that holds one, because the value is behind a pointer. The zero value is empty.
type Secret struct{ value *string }

// NewSecret hides value.
func NewSecret(value string) Secret {
	if value == "" {
		return Secret{}
	}
	return Secret{value: &value}
}

// Reveal returns the value. Its result must not reach a log, an error, a status or an answer.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsEmpty reports whether there is no value.
func (s Secret) IsEmpty() bool { return s.value == nil }

// Equal reports whether both hold the same value.
func (s Secret) Equal(o Secret) bool { return s.Reveal() == o.Reveal() }

func (s Secret) shown() string {
	if s.IsEmpty() {
		return ""
	}
	return hidden
}

// String implements fmt.Stringer.
func (s Secret) String() string { return s.shown() }

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return fmt.Sprintf("settings.Secret(%q)", s.shown()) }

// Format implements fmt.Formatter: verbs such as %x would print the bytes.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.shown()
	if verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	// A writer of fmt does not fail.
	_, _ = f.Write([]byte(text))
}

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.shown()) }

// MarshalText implements encoding.TextMarshaler, for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.shown()), nil }

// oneLine reports whether a value may go into a header or a URL.
func oneLine(text string) bool { return !strings.ContainsAny(text, "\r\n\x00") }
