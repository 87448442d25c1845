package rest

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAnswersThatAreLargeAreCompressed covers who gets which: what is small, what is not read but written, and callers who do
// not take gzip get the JSON as it is.
func TestAnswersThatAreLargeAreCompressed(t *testing.T) {
	large := strings.Repeat("shop ", compressFrom)
	for _, c := range []struct {
		name, method, accepts, text string
		packed                      bool
	}{
		{"large", "GET", "gzip, deflate, br", large, true},
		{"of several", "GET", "br;q=1.0, GZIP;q=0.5", large, true},
		{"refused", "GET", "br, gzip;q=0", large, false},
		{"refused with digits", "GET", "gzip; q=0.000", large, false},
		{"not named", "GET", "br", large, false},
		{"small", "GET", "gzip", "shop", false},
		{"a token", "POST", "gzip", large, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, w := httptest.NewRequest(c.method, "/", nil), httptest.NewRecorder()
			r.Header.Set("Accept-Encoding", c.accepts)
			if err := new(Handler).answer(w, r, c.text); err != nil {
				t.Fatal(err)
			}
			body := io.Reader(w.Body)
			if packed := w.Header().Get("Content-Encoding") == "gzip"; packed != c.packed {
				t.Fatalf("compressed: %t", packed)
			}
			if c.packed {
				if w.Body.Len() > len(c.text)/10 {
					t.Errorf("%d bytes of %d", w.Body.Len(), len(c.text))
				}
				unpacked, err := gzip.NewReader(body)
				if err != nil {
					t.Fatal(err)
				}
				body = unpacked
			}
			data, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(data, []byte(`"`+c.text+`"`)) {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			if vary := w.Header().Get("Vary") != ""; vary != (c.method == http.MethodGet && len(c.text) > compressFrom) {
				t.Errorf("Vary: %q", w.Header().Get("Vary"))
			}
		})
	}
}
