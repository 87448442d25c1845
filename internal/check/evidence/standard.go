package evidence

import (
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// sarif reads SARIF 2.1.0. The severity is the property that code scanning reads; the digest is where Trivy puts it.
func sarif(data []byte) (scans []Scan, err error) {
	type properties struct {
		Severity    string `json:"security-severity"`
		RepoDigests list   `json:"repoDigests"`
	}
	var in struct {
		Runs []struct {
			Tool struct {
				Driver struct {
					Name  string `json:"name"`
					Rules []struct {
						ID         string     `json:"id"`
						Properties properties `json:"properties"`
					} `json:"rules"`
				} `json:"driver"`
			} `json:"tool"`
			Invocations []struct {
				End   string `json:"endTimeUtc"`
				Start string `json:"startTimeUtc"`
			} `json:"invocations"`
			Properties properties `json:"properties"`
			Results    []struct {
				RuleID  string `json:"ruleId"`
				Level   string `json:"level"`
				Message struct {
					Text string `json:"text"`
				} `json:"message"`
				Properties properties `json:"properties"`
			} `json:"results"`
		} `json:"runs"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	for _, run := range in.Runs {
		s := Scan{Tool: run.Tool.Driver.Name, Digests: digests(run.Properties.RepoDigests...)}
		if len(s.Digests) == 0 {
			return nil, errors.New("a run names no image by a digest (properties.repoDigests)")
		}
		for _, i := range run.Invocations {
			for _, text := range []string{i.Start, i.End} {
				if t := timeOf(text); !t.IsZero() {
					s.At = t
				}
			}
		}
		scores := map[string]string{}
		for _, r := range run.Tool.Driver.Rules {
			scores[r.ID] = r.Properties.Severity
		}
		for _, r := range run.Results {
			score := r.Properties.Severity
			if score == "" {
				score = scores[r.RuleID]
			}
			v := Vulnerability{ID: r.RuleID, Severity: scored(score, r.Level)}
			v.fromMessage(r.Message.Text)
			s.Vulnerabilities = append(s.Vulnerabilities, v)
		}
		scans = append(scans, s)
	}
	for _, s := range scans {
		if len(s.Vulnerabilities) == 0 {
			return nil, errors.New("a run has no results: such a report does not tell whether anybody looked for vulnerabilities; give the scanner's own report")
		}
	}
	if len(scans) == 0 {
		return nil, errors.New("it has no runs")
	}
	return scans, nil
}

// scored is the severity of a CVSS score by the bands of CVSS 3; without a score that of a level.
func scored(score, level string) Severity {
	f, err := strconv.ParseFloat(score, 64)
	switch {
	case err != nil && level == "error":
		return High
	case err != nil && level == "note":
		return Low
	case err != nil:
		return Medium
	case f >= 9:
		return Critical
	case f >= 7:
		return High
	case f >= 4:
		return Medium
	case f > 0:
		return Low
	}
	return None
}

var messageField = regexp.MustCompile(`(?m)^(Package|Installed Version|Fixed Version): *(.*?)\r?$`)

// fromMessage reads what Trivy writes in the text of a result; of others nothing is known about a fixed version.
func (v *Vulnerability) fromMessage(text string) {
	v.Unknown = true
	for _, m := range messageField.FindAllStringSubmatch(text, -1) {
		value := strings.TrimSpace(m[2])
		switch m[1] {
		case "Package":
			v.Package = value
		case "Installed Version":
			v.Installed = value
		case "Fixed Version":
			v.Fixed, v.Unknown = value, false
		}
	}
}

// cyclonedx reads CycloneDX with vulnerabilities. Without any it looks the same as a list of packages that nobody compared with
// anything, so it is no evidence.
func cyclonedx(data []byte) ([]Scan, error) {
	type property struct{ Name, Value string }
	var in struct {
		Metadata struct {
			Timestamp string
			Component struct {
				Type, Name, Version, Purl string
				BOMRef                    string `json:"bom-ref"`
				Properties                []property
			}
		}
		Vulnerabilities []struct {
			ID      string
			Ratings []struct {
				Severity string
				Score    float64
			}
			Recommendation string
			Affects        []struct{ Ref string }
			Analysis       struct{ State string }
		}
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	c := in.Metadata.Component
	texts := []string{c.Version, strings.ReplaceAll(strings.ReplaceAll(c.Purl, "%3A", ":"), "%3a", ":"), strings.ReplaceAll(c.BOMRef, "%3A", ":"), c.Name}
	for _, p := range c.Properties {
		if strings.HasSuffix(p.Name, ":RepoDigest") {
			texts = append(texts, p.Value)
		}
	}
	s := Scan{Tool: "a CycloneDX report", Digests: digests(texts...), At: timeOf(in.Metadata.Timestamp)}
	if c.Type != "container" || len(s.Digests) == 0 {
		return nil, errors.New("its component is no container with a digest (metadata.component)")
	}
	if len(in.Vulnerabilities) == 0 {
		return nil, errors.New("it lists no vulnerabilities: such a report does not tell whether anybody looked for some; give the scanner's own report")
	}
	for _, v := range in.Vulnerabilities {
		switch v.Analysis.State {
		case "not_affected", "false_positive", "resolved", "resolved_with_pedigree":
			continue
		}
		worst, rated := None, false
		for _, r := range v.Ratings {
			level := severity(r.Severity)
			if r.Severity == "" {
				level = scored(strconv.FormatFloat(r.Score, 'f', -1, 64), "")
			}
			worst, rated = max(worst, level), true
		}
		if !rated {
			worst = Medium
		}
		out := Vulnerability{ID: v.ID, Severity: worst, Unknown: true}
		if len(v.Affects) > 0 {
			out.Package = v.Affects[0].Ref
		}
		s.Vulnerabilities = append(s.Vulnerabilities, out)
	}
	return []Scan{s}, nil
}
