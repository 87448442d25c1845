package secret

import (
	"slices"
	"strings"
)

// pattern is a form of credentials: a prefix, and a run of characters of an alphabet after it.
type pattern struct {
	id, name string
	prefix   string
	alphabet *[256]bool
	// least and most bound the run.
	least, most int
	// bits is the least entropy of the run, 0 for none.
	bits float64
}

// match is a credential that was found.
type match struct {
	pattern, name string
	// shown is what may be seen of it: the part that all credentials of the kind have.
	shown string
	// key is the name that it is assigned to, if that is how it was found.
	key string
	// secret is shown nowhere.
	secret string
	// start and end are where it is, in bytes of the text that was searched.
	start, end int
}

func (m match) describe() string {
	if m.key != "" {
		return m.name + " (" + m.key + ": " + m.shown + "***)"
	}
	return m.name + " (" + m.shown + "***)"
}

// scanner searches texts. It is safe for concurrent use.
type scanner struct {
	patterns []pattern
	base64   *[256]bool
	bare     *[256]bool
}

func alphabet(ranges string, more string) *[256]bool {
	var set [256]bool
	for i := 0; i+1 < len(ranges); i += 2 {
		for c := int(ranges[i]); c <= int(ranges[i+1]); c++ {
			set[c] = true
		}
	}
	for i := range len(more) {
		set[more[i]] = true
	}
	return &set
}

// newScanner returns a scanner of the forms that providers document for their credentials.
func newScanner() *scanner {
	alnum, word := alphabet("09azAZ", ""), alphabet("09azAZ", "_-")
	upper, hex, lower := alphabet("09AZ", ""), alphabet("09af", ""), alphabet("09az", "")
	dotted, std := alphabet("09azAZ", "_-."), alphabet("09azAZ", "+/")
	s := &scanner{base64: alphabet("09azAZ", "+/_-"), bare: alphabet("09azAZ", "+/=_-.~!@#$%^&*")}
	add := func(id, name, prefix string, set *[256]bool, least, most int, bits float64) {
		s.patterns = append(s.patterns, pattern{id, name, prefix, set, least, most, bits})
	}
	for _, prefix := range []string{"AKIA", "ASIA", "ABIA", "ACCA"} {
		add("aws-access-key", "an AWS access key", prefix, upper, 16, 16, 2.5)
	}
	add("gcp-api-key", "a Google API key", "AIza", word, 35, 35, 3)
	add("gcp-oauth-secret", "a Google OAuth client secret", "GOCSPX-", word, 28, 28, 3)
	add("azure-storage-key", "an Azure storage account key", "AccountKey=", std, 86, 86, 3)
	for _, prefix := range []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"} {
		add("github-token", "a GitHub token", prefix, alnum, 36, 36, 3)
	}
	add("github-token", "a GitHub token", "github_pat_", alphabet("09azAZ", "_"), 82, 82, 3)
	for _, prefix := range []string{"glpat-", "gldt-", "glrt-", "glptt-", "glagent-", "glcbt-", "glsoat-"} {
		add("gitlab-token", "a GitLab token", prefix, dotted, 20, 300, 2.8)
	}
	for _, prefix := range []string{"xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe-", "xapp-"} {
		add("slack-token", "a Slack token", prefix, word, 24, 300, 2.8)
	}
	add("slack-webhook", "a Slack webhook", "hooks.slack.com/services/", alphabet("09azAZ", "/"), 40, 80, 3)
	for _, prefix := range []string{"sk_live_", "rk_live_", "sk_test_", "rk_test_"} {
		add("stripe-key", "a Stripe key", prefix, alnum, 20, 300, 3)
	}
	add("stripe-key", "a Stripe webhook secret", "whsec_", std, 24, 100, 3)
	for _, prefix := range []string{"sk-proj-", "sk-svcacct-", "sk-admin-", "sk-ant-", "sk-or-v1-"} {
		add("llm-api-key", "an API key of a language model", prefix, word, 32, 300, 3)
	}
	add("llm-api-key", "an API key of a language model", "sk-", alnum, 48, 48, 3.5)
	add("huggingface-token", "a Hugging Face token", "hf_", alphabet("azAZ", ""), 34, 34, 3)
	add("npm-token", "an npm token", "npm_", alnum, 36, 36, 3)
	add("pypi-token", "a PyPI token", "pypi-AgE", word, 50, 400, 3)
	add("docker-token", "a Docker token", "dckr_pat_", word, 27, 27, 3)
	add("sendgrid-key", "a SendGrid key", "SG.", dotted, 66, 66, 3)
	add("shopify-token", "a Shopify token", "shpat_", hex, 32, 32, 2.5)
	add("vault-token", "a Vault token", "hvs.", word, 24, 200, 3)
	add("vault-token", "a Vault token", "hvb.", word, 100, 400, 3)
	add("digitalocean-token", "a DigitalOcean token", "dop_v1_", hex, 64, 64, 2.5)
	add("grafana-token", "a Grafana token", "glsa_", alphabet("09azAZ", "_"), 41, 41, 3)
	add("grafana-token", "a Grafana Cloud token", "glc_", std, 32, 400, 3)
	add("age-key", "an age secret key", "AGE-SECRET-KEY-1", upper, 58, 58, 3)
	add("databricks-token", "a Databricks token", "dapi", hex, 32, 32, 2.8)
	add("linear-key", "a Linear API key", "lin_api_", lower, 40, 40, 3)
	return s
}

// scan returns what is found in a text and in what it encodes, in the order of places, at most one for a place.
func (s *scanner) scan(text string) []match {
	found := s.plain(text)
	found = append(found, s.decoded(text, 1)...)
	slices.SortStableFunc(found, func(a, b match) int { return a.start - b.start })
	out := found[:0]
	for _, m := range found {
		if n := len(out); n > 0 && m.start < out[n-1].end {
			continue
		}
		out = append(out, m)
	}
	return out
}

// plain searches a text as it stands. The forms that say most come first.
func (s *scanner) plain(text string) (out []match) {
	take := func(m match) {
		if !slices.ContainsFunc(out, func(o match) bool { return m.start < o.end && o.start < m.end }) {
			out = append(out, m)
		}
	}
	for i := range s.patterns {
		s.patterns[i].find(text, take)
	}
	privateKeys(text, take)
	tokens(text, take)
	urls(text, take)
	s.assignments(text, take)
	return out
}

func alnumByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// find calls take for every credential of the form.
func (p *pattern) find(text string, take func(match)) {
	for at := 0; ; {
		i := strings.Index(text[at:], p.prefix)
		if i < 0 {
			return
		}
		start := at + i
		run := start + len(p.prefix)
		end := run
		for end < len(text) && end-run <= p.most && p.alphabet[text[end]] {
			end++
		}
		at = run
		if n := end - run; n < p.least || n > p.most || start > 0 && (alnumByte(text[start-1]) || text[start-1] == '_') {
			continue
		}
		secret := text[run:end]
		if sample(secret) || entropy(secret) < p.bits {
			continue
		}
		take(match{pattern: p.id, name: p.name, shown: p.prefix, secret: text[start:end], start: start, end: end})
	}
}
