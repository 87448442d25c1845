package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// counts are requests that the API server has answered, by "VERB resource" ("APPLY configmaps", with "dry-run " before it
// for dry-runs).
type counts map[string]float64

// background are resources that nodes renew all the time, whoever else is there.
func background(resource string) bool {
	switch resource {
	case "leases", "nodes", "tokenreviews", "subjectaccessreviews", "serviceaccounts":
		return true
	}
	return false
}

// writes reads the API server's own count of write requests.
func (a *api) writes(ctx context.Context) (counts, error) {
	resp, err := a.open(ctx, request{method: http.MethodGet, path: "/metrics"})
	if err != nil {
		return nil, fmt.Errorf("read the API server's metrics: %w", err)
	}
	defer resp.Body.Close()
	out := counts{}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		rest, ok := strings.CutPrefix(lines.Text(), "apiserver_request_total{")
		if !ok {
			continue
		}
		labels, value, ok := strings.Cut(rest, "} ")
		n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if !ok || err != nil {
			continue
		}
		l := parseLabels(labels)
		if background(l["resource"]) || !slices.Contains([]string{"APPLY", "PATCH", "POST", "PUT", "DELETE", "DELETECOLLECTION"}, l["verb"]) {
			continue
		}
		name := l["verb"] + " " + l["resource"]
		if l["subresource"] != "" {
			name += "/" + l["subresource"]
		}
		if l["dry_run"] != "" {
			name = "dry-run " + name
		}
		out[name] += n
	}
	return out, lines.Err()
}

// parseLabels reads name="value" pairs; values of this metric hold no quotes.
func parseLabels(s string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Split(s, `",`) {
		if name, value, ok := strings.Cut(pair, `="`); ok {
			out[name] = strings.TrimSuffix(value, `"`)
		}
	}
	return out
}

// since returns what came between earlier and c, as a sum and in words.
func (c counts) since(earlier counts) (float64, string) {
	var sum float64
	var words []string
	for name, n := range c {
		if d := n - earlier[name]; d > 0 {
			sum += d
			words = append(words, fmt.Sprintf("%.0f %s", d, name))
		}
	}
	slices.Sort(words)
	return sum, strings.Join(words, ", ")
}
