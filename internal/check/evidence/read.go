package evidence

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/belaycd/belay/internal/fault"
)

// maxReport bounds a report.
const maxReport = 256 << 20

// Read reads a report of Trivy, of Grype, in SARIF or in CycloneDX, all of them JSON. A report that names no image by its digest, or
// does not tell a scan from a list of packages, is an error: it would be taken for something that it is not.
func Read(name string, data []byte) ([]Scan, error) {
	if len(data) > maxReport {
		return nil, fault.New(fault.Invalid, "%s: the report is larger than %d MiB", name, maxReport>>20)
	}
	var head struct {
		SchemaVersion *int             `json:"SchemaVersion"`
		Matches       *json.RawMessage `json:"matches"`
		Runs          *json.RawMessage `json:"runs"`
		BOMFormat     string           `json:"bomFormat"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fault.New(fault.Invalid, "%s: read the report: %w", name, err)
	}
	var scans []Scan
	var err error
	switch {
	case head.SchemaVersion != nil:
		scans, err = trivy(data)
	case head.Matches != nil:
		scans, err = grype(data)
	case head.Runs != nil:
		scans, err = sarif(data)
	case head.BOMFormat == "CycloneDX":
		scans, err = cyclonedx(data)
	default:
		err = errors.New("it is none of Trivy's JSON, Grype's JSON, SARIF and CycloneDX")
	}
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: read the report: %w", name, err)
	}
	for i := range scans {
		scans[i].File = name
	}
	return scans, nil
}

var digestForm = regexp.MustCompile(`sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}`)

// digests takes the digests out of texts such as registry.example.com/a@sha256:...
func digests(texts ...string) (out []string) {
	for _, t := range texts {
		if d := digestForm.FindString(t); d != "" && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	return out
}

// timeOf reads a time of a report; what is none is unknown, and so too old.
func timeOf(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return t
}

// list is a field that scanners write as one text or as several.
type list []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *list) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(l))
}

func trivy(data []byte) ([]Scan, error) {
	var in struct {
		CreatedAt    string
		ArtifactType string
		Metadata     struct{ RepoDigests []string }
		Results      []struct {
			Class           string
			Vulnerabilities []struct{ VulnerabilityID, PkgName, InstalledVersion, FixedVersion, Severity string }
		}
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	s := Scan{Tool: "trivy", Digests: digests(in.Metadata.RepoDigests...), At: timeOf(in.CreatedAt)}
	if len(s.Digests) == 0 {
		return nil, errors.New("it names no image by a digest (Metadata.RepoDigests); scan an image of a registry")
	}
	scanned := false
	for _, r := range in.Results {
		scanned = scanned || r.Class == "os-pkgs" || r.Class == "lang-pkgs" || len(r.Vulnerabilities) > 0
		for _, v := range r.Vulnerabilities {
			s.Vulnerabilities = append(s.Vulnerabilities, Vulnerability{ID: v.VulnerabilityID, Package: v.PkgName, Installed: v.InstalledVersion, Fixed: v.FixedVersion, Severity: severity(v.Severity)})
		}
	}
	if !scanned {
		return nil, errors.New("it tells of no packages: trivy ran without --scanners vuln, or saw nothing that it knows")
	}
	return []Scan{s}, nil
}

func grype(data []byte) ([]Scan, error) {
	var in struct {
		Matches []struct {
			Vulnerability struct {
				ID, Severity string
				Fix          struct {
					Versions []string
					State    string
				}
			}
			Artifact struct{ Name, Version string }
		}
		Source struct {
			Type   string
			Target json.RawMessage
		}
		Descriptor struct{ Timestamp string }
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, err
	}
	var target struct {
		ManifestDigest string
		RepoDigests    []string
	}
	if in.Source.Type != "image" || json.Unmarshal(in.Source.Target, &target) != nil {
		return nil, errors.New("it is not about an image (source.type)")
	}
	s := Scan{Tool: "grype", Digests: digests(append(target.RepoDigests, target.ManifestDigest)...), At: timeOf(in.Descriptor.Timestamp)}
	if len(s.Digests) == 0 {
		return nil, errors.New("it names no image by a digest (source.target.repoDigests)")
	}
	for _, m := range in.Matches {
		v := Vulnerability{ID: m.Vulnerability.ID, Package: m.Artifact.Name, Installed: m.Artifact.Version, Severity: severity(m.Vulnerability.Severity),
			Fixed: strings.Join(m.Vulnerability.Fix.Versions, " or "), Unknown: m.Vulnerability.Fix.State == "" || m.Vulnerability.Fix.State == "unknown"}
		if m.Vulnerability.Fix.State == "fixed" && v.Fixed == "" {
			v.Unknown = true
		}
		s.Vulnerabilities = append(s.Vulnerabilities, v)
	}
	return []Scan{s}, nil
}
