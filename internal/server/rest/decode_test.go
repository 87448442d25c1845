package rest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/server"
)

// sample has every kind of field that requests have.
type sample struct {
	server.Named `json:",inline"`
	Flag         *bool             `query:"flag" json:"flag,omitempty"`
	Count        int64             `query:"count" json:"count,omitempty"`
	Index        *int32            `query:"index" json:"index,omitempty"`
	List         []string          `query:"list" json:"list,omitempty"`
	Last         string            `header:"Last-Event-ID" json:"-"`
	Old          string            `query:"new,old" json:"old,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
}

func TestDecode(t *testing.T) {
	yes, two := true, int32(2)
	for _, test := range []struct {
		name, method, query, body string
		want                      sample
		fails                     string
	}{
		{name: "a query", method: "GET", query: "flag=true&count=-3&index=2&list=a&list=b,c&appNamespace=x",
			want: sample{Named: server.Named{Name: "shop", AppNamespace: "x"}, Flag: &yes, Count: -3, Index: &two, List: []string{"a", "b,c"}}},
		{name: "a body", method: "POST", body: `{"name":"other","labels":{"a":"b"},"unknown":1,"count":5}`,
			want: sample{Named: server.Named{Name: "shop"}, Count: 5, Labels: map[string]string{"a": "b"}}},
		{name: "the query wins over the body", method: "POST", query: "count=6", body: `{"count":5}`, want: sample{Named: server.Named{Name: "shop"}, Count: 6}},
		{name: "no body", method: "POST", want: sample{Named: server.Named{Name: "shop"}}},
		{name: "an older name", method: "GET", query: "old=x", want: sample{Named: server.Named{Name: "shop"}, Old: "x"}},
		{name: "a body of a GET is passed over", method: "GET", body: `{"count":5}`, want: sample{Named: server.Named{Name: "shop"}}},
		{name: "no number", method: "GET", query: "count=x", fails: "count"},
		{name: "too large a number", method: "GET", query: "index=2147483648", fails: "index"},
		{name: "no truth", method: "GET", query: "flag=perhaps", fails: "flag"},
		{name: "a broken query", method: "GET", query: "a=%zz", fails: "cannot be read"},
	} {
		r := httptest.NewRequest(test.method, "/x", strings.NewReader(test.body))
		r.URL.RawQuery = test.query
		r.SetPathValue("name", "shop")
		var got sample
		err := decode(r, &got)
		if test.fails != "" {
			if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
}

// FuzzDecode reads any request into every type of the table: it must not panic, errors are the caller's, and they do not
// repeat what the body holds.
func FuzzDecode(f *testing.F) {
	f.Add("POST", "shop", "count=1&flag=true", `{"name":"x","spec":{"project":"p"},"manifests":["{}"]}`)
	f.Add("PUT", "", "a=%zz", `[1,2`)
	f.Add("GET", "a/b", "list=a&list=b&sinceSeconds=-1", "")
	f.Add("PATCH", "é", "cascade=", `"text"`)
	f.Add("POST", "x", "", `{"id":9223372036854775808}`)
	table := Routes(server.New(server.Options{}))
	f.Fuzz(func(t *testing.T, method, name, query, body string) {
		if !hasBody(method) {
			method = http.MethodGet
		}
		for _, route := range table {
			r := httptest.NewRequest(method, "/x", strings.NewReader(body))
			r.URL = &url.URL{Path: "/x", RawQuery: query}
			r.SetPathValue("name", name)
			err := decode(r, newRequest(route))
			if err != nil && !fault.Is(err, fault.Invalid) {
				t.Fatalf("%s: %v", route.Name, err)
			}
			if err != nil && len(body) > 20 && strings.Contains(err.Error(), body) {
				t.Fatalf("%s repeats the body: %v", route.Name, err)
			}
		}
	})
}

func FuzzFields(f *testing.F) {
	f.Add(`{"items":[{"metadata":{"name":"a"}}]}`, "items.metadata.name")
	f.Add(`[1]`, "-a.b,,.")
	f.Fuzz(func(_ *testing.T, data, fields string) {
		_, _ = project([]byte(data), fields) // must not panic
	})
}

func newRequest(r Route) any { return reflect.New(r.request).Interface() }
