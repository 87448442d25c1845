package service

import (
	"cmp"
	"context"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/notify"
	"github.com/belaycd/belay/internal/remote"
)

// alertmanager raises alerts, at every instance of a cluster.
type alertmanager struct{ to []*endpoint }

func newAlertmanager(c config) (notify.Service, error) {
	o := c.options
	scheme, path := cmp.Or(o.text("scheme"), "http"), cmp.Or(o.text("apiPath"), "/api/v2/alerts")
	hosts := o.texts("targets")
	if len(hosts) == 0 {
		hosts = []string{"127.0.0.1:9093"}
	}
	access := remote.Access{Insecure: o.flag("insecureSkipVerify", false)}
	if auth := o.within("basicAuth"); auth != nil {
		access.Username, access.Password = auth.text("username"), auth.text("password")
	} else if o.text("bearerToken") != "" {
		access.BearerToken = o.secret("bearerToken")
	}
	seconds := o.number("timeout", 3)
	if seconds < 1 || seconds > 3600 {
		o.problem("timeout", "is no number of seconds from 1 to 3600")
	}
	access.ResponseTimeout = time.Duration(seconds) * time.Second
	var bases []*url.URL
	for _, host := range hosts {
		bases = append(bases, o.address("targets", scheme+"://"+host+"/"+strings.TrimLeft(path, "/")))
	}
	if err := o.err(); err != nil {
		return nil, err
	}
	s := &alertmanager{}
	for _, base := range bases {
		to, err := c.endpoint("targets", base, access)
		if err != nil {
			return nil, err
		}
		s.to = append(s.to, to)
	}
	return s, nil
}

// Send implements notify.Service. One instance that takes an alert is enough: they tell each other.
func (s *alertmanager) Send(ctx context.Context, m notify.Message, _ string) error {
	p := part(m, "alertmanager")
	labels, annotations := p.textMap("labels"), p.textMap("annotations")
	page := cmp.Or(filledIn(p, "generatorURL"), m.Repository)
	if err := p.err(); err != nil {
		return err
	}
	if len(labels) == 0 {
		return fault.New(fault.Invalid, "alertmanager: the alertmanager part of the template has no labels: an alert needs one at least")
	}
	if labels["alertname"] == "" {
		labels["alertname"] = m.Template
	}
	alert := map[string]any{"labels": labels, "annotations": annotations, "generatorURL": webAddress(page)}
	omitEmpty(alert)
	if len(annotations) == 0 {
		delete(alert, "annotations")
	}
	failed := make([]error, len(s.to))
	var all sync.WaitGroup
	for i, to := range s.to {
		all.Go(func() { failed[i] = to.post(ctx, "", nil, []any{alert}, nil) })
	}
	all.Wait()
	kind := fault.KindOf(failed[0])
	for _, err := range failed {
		if err == nil {
			return nil
		}
		if fault.Is(err, fault.Transient) {
			kind = fault.Transient
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return fault.New(kind, "no instance took the alert: %w", inOneLine(failed))
}

// inOneLine joins errors without line ends, the first few.
func inOneLine(errs []error) error {
	out := errs[0]
	for _, err := range errs[1:min(len(errs), 3)] {
		out = &both{out, err}
	}
	return out
}

// both is two errors in one line.
type both struct{ first, second error }

func (b *both) Error() string   { return b.first.Error() + "; " + b.second.Error() }
func (b *both) Unwrap() []error { return []error{b.first, b.second} }

// webAddress returns the web page of a repository that is reached with SSH.
func webAddress(address string) string {
	rest, ok := strings.CutPrefix(address, "git@")
	if !ok {
		return address
	}
	return "https://" + strings.Replace(rest, ":", "/", 1)
}
