package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/mask"
	"github.com/belaycd/belay/internal/object"
)

// Bounds that GitHub's code scanning sets for an upload: what is beyond is refused as a whole, so that the worst is kept.
const (
	maxSARIFResults = 25_000
	maxSARIFPlaces  = 1_000
	maxSARIFBytes   = 10_000_000
)

// The parts of SARIF 2.1.0 that are written, by the names of that standard.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
		ColumnKind  string            `json:"columnKind"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID                   string             `json:"id"`
		Name                 string             `json:"name"`
		ShortDescription     sarifText          `json:"shortDescription"`
		FullDescription      sarifText          `json:"fullDescription"`
		Help                 sarifText          `json:"help"`
		HelpURI              string             `json:"helpUri"`
		DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
		Properties           *sarifProperties   `json:"properties,omitempty"`
	}
	sarifText struct {
		Text     string `json:"text"`
		Markdown string `json:"markdown,omitempty"`
	}
	sarifConfiguration struct {
		Level   string `json:"level"`
		Enabled bool   `json:"enabled"`
	}
	sarifProperties struct {
		Tags []string `json:"tags"`
	}
	sarifInvocation struct {
		ExecutionSuccessful bool                `json:"executionSuccessful"`
		Notifications       []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID              string             `json:"ruleId"`
		RuleIndex           int                `json:"ruleIndex"`
		Level               string             `json:"level"`
		Message             sarifText          `json:"message"`
		Locations           []sarifLocation    `json:"locations,omitempty"`
		PartialFingerprints map[string]string  `json:"partialFingerprints"`
		Suppressions        []sarifSuppression `json:"suppressions,omitempty"`
	}
	sarifLocation struct {
		PhysicalLocation *sarifPhysical `json:"physicalLocation,omitempty"`
		LogicalLocations []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		ArtifactLocation sarifArtifact `json:"artifactLocation"`
		Region           *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		FullyQualifiedName string `json:"fullyQualifiedName"`
		Kind               string `json:"kind"`
	}
	sarifSuppression struct {
		Kind          string `json:"kind"`
		Justification string `json:"justification,omitempty"`
	}
)

func writeSARIF(out *bufio.Writer, r *check.Report, o *Options) error {
	for keep := maxSARIFResults; ; keep = keep * 3 / 4 {
		data, err := json.Marshal(sarifDocument(r, o, keep))
		if err != nil {
			return err
		}
		if len(data) < maxSARIFBytes || keep == 0 {
			data = append(bytes.TrimSpace(data), '\n')
			_, err = out.Write(data)
			return err
		}
	}
}

// sarifDocument keeps the first results, which are the worst; a notification counts the rest.
func sarifDocument(r *check.Report, o *Options, keep int) sarifLog {
	driver := sarifDriver{Name: "belay", Version: o.Version, InformationURI: "https://github.com/belaycd/belay", Rules: []sarifRule{}}
	index := map[string]int{}
	for i, rule := range r.Rules {
		index[rule.ID] = i
		driver.Rules = append(driver.Rules, sarifRuleOf(rule))
	}
	run := sarifRun{Tool: sarifTool{Driver: driver}, Results: []sarifResult{}, ColumnKind: "unicodeCodePoints"}
	run.Invocations = []sarifInvocation{{ExecutionSuccessful: true}}
	notify := func(level, format string, args ...any) {
		n := &run.Invocations[0].Notifications
		*n = append(*n, sarifNotification{Level: level, Message: sarifText{Text: fmt.Sprintf(format, args...)}})
	}
	for _, s := range r.Skipped {
		notify("warning", "not judged: %s: %s", mask.Line(s.Unit), said(s.Why))
	}
	for _, list := range [][]check.Result{r.Results, r.Suppressed} {
		for i := range list {
			if len(run.Results) >= keep {
				break
			}
			run.Results = append(run.Results, sarifResultOf(&list[i], index[list[i].Rule.ID], o))
		}
	}
	if left := len(r.Results) + len(r.Suppressed) - len(run.Results); left > 0 {
		notify("warning", "%s left out, the least severe ones: a code scanning upload holds no more", plural(left, "result"))
	}
	return sarifLog{Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}

func sarifRuleOf(rule check.Rule) sarifRule {
	s := sarifRule{
		ID: rule.ID, Name: camel(rule.ID), ShortDescription: sarifText{Text: rule.Title}, FullDescription: sarifText{Text: rule.Why},
		Help:    sarifText{Text: rule.Why + "\n\n" + rule.Fix, Markdown: fmt.Sprintf("**%s**\n\n%s\n\n**Fix:** %s\n\n[%s](%s)", rule.Title, rule.Why, rule.Fix, rule.ID, helpURL(rule.ID))},
		HelpURI: helpURL(rule.ID), DefaultConfiguration: sarifConfiguration{Level: sarifLevel(rule.Severity), Enabled: rule.Severity != check.Off},
	}
	if len(rule.Standards) > 0 {
		s.Properties = &sarifProperties{Tags: rule.Standards[:min(len(rule.Standards), 10)]}
	}
	return s
}

// sarifLevel is the level of a severity; those of SARIF have the same names, but for that of a rule that is off.
func sarifLevel(s check.Severity) string {
	if s == check.Off {
		return "none"
	}
	return s.String()
}

func sarifResultOf(r *check.Result, rule int, o *Options) sarifResult {
	text := said(r.Message)
	if r.Fix != "" {
		text += "\n" + said(r.Fix)
	}
	s := sarifResult{RuleID: r.Rule.ID, RuleIndex: rule, Level: r.Severity.String(), Message: sarifText{Text: text}, PartialFingerprints: map[string]string{"belay/v1": r.Fingerprint}}
	location := sarifLocation{LogicalLocations: logical(r.Objects)}
	if r.Place.File != "" {
		location.PhysicalLocation = &sarifPhysical{ArtifactLocation: sarifArtifact{URI: fileURI(o, r.Place), URIBaseID: "%SRCROOT%"}}
		if r.Place.Line > 0 {
			location.PhysicalLocation.Region = &sarifRegion{StartLine: r.Place.Line, StartColumn: r.Place.Column}
		}
	}
	if location.PhysicalLocation != nil || len(location.LogicalLocations) > 0 {
		s.Locations = []sarifLocation{location}
	}
	if r.Suppression != nil {
		kind := "external"
		if r.Suppression.By == check.ByAnnotation {
			kind = "inSource"
		}
		s.Suppressions = []sarifSuppression{{Kind: kind, Justification: said(r.Suppression.Reason)}}
	}
	return s
}

// fileURI writes a file as a relative reference.
func fileURI(o *Options, p check.Place) string {
	u := url.URL{Path: strings.TrimPrefix(o.file(p), "./")}
	return strings.TrimPrefix(u.String(), "./")
}

func logical(refs []object.Ref) []sarifLogical {
	var out []sarifLogical
	for _, ref := range refs[:min(len(refs), maxSARIFPlaces-1)] {
		out = append(out, sarifLogical{FullyQualifiedName: mask.Line(ref.String()), Kind: "resource"})
	}
	return out
}

// camel writes image-tag as ImageTag, the form that viewers expect of names.
func camel(id string) string {
	var b strings.Builder
	for part := range strings.SplitSeq(id, "-") {
		if part != "" {
			b.WriteString(strings.ToUpper(part[:1]) + part[1:])
		}
	}
	return b.String()
}
