package evidence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/belaycd/belay/internal/check"
	"github.com/belaycd/belay/internal/check/checktest"
	"github.com/belaycd/belay/internal/fault"

	"golang.org/x/tools/txtar"
)

func now() time.Time { return time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC) }

func digest(letter string) string { return "sha256:" + strings.Repeat(letter, 64) }

const configDigest = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

const fresh, stale = "2027-01-09T10:00:00.123456789Z", "2026-11-01T10:00:00Z"

func trivyReport(at, digest, vulnerabilities string) string {
	return fmt.Sprintf(`{"SchemaVersion":2,"CreatedAt":%q,"ArtifactType":"container_image","Metadata":{"ImageID":%q,"RepoDigests":["registry.example.com/app@%s"]},
"Results":[{"Target":"app (debian 13)","Class":"os-pkgs","Vulnerabilities":[%s]}]}`, at, configDigest, digest, vulnerabilities)
}

const (
	critical = `{"VulnerabilityID":"CVE-2026-0001","PkgName":"openssl","InstalledVersion":"3.5.0","FixedVersion":"3.5.1","Severity":"CRITICAL"}`
	high     = `{"VulnerabilityID":"CVE-2026-0002","PkgName":"zlib","InstalledVersion":"1.3","Severity":"HIGH"}`
	low      = `{"VulnerabilityID":"CVE-2026-0003","PkgName":"bash","InstalledVersion":"5.2","Severity":"LOW"}`
)

func grypeReport(at, digest string) string {
	return fmt.Sprintf(`{"matches":[{"vulnerability":{"id":"CVE-2026-0001","severity":"Critical","fix":{"versions":["3.5.1"],"state":"fixed"}},"artifact":{"name":"openssl","version":"3.5.0"}},
{"vulnerability":{"id":"CVE-2026-0003","severity":"Negligible","fix":{"versions":[],"state":"wont-fix"}},"artifact":{"name":"bash","version":"5.2"}}],
"source":{"type":"image","target":{"userInput":"a","manifestDigest":%q,"repoDigests":["registry.example.com/app@%s"]}},"descriptor":{"name":"grype","timestamp":%q}}`, digest, digest, at)
}

func sarifReport(at, digest string) string {
	return fmt.Sprintf(`{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Trivy","rules":[{"id":"CVE-2026-0001","properties":{"security-severity":"9.8"}}]}},
"invocations":[{"executionSuccessful":true,"endTimeUtc":%q}],"properties":{"imageName":"app","repoDigests":["registry.example.com/app@%s"]},
"results":[{"ruleId":"CVE-2026-0001","level":"error","message":{"text":"Package: openssl\nInstalled Version: 3.5.0\nVulnerability CVE-2026-0001\nSeverity: CRITICAL\nFixed Version: 3.5.1\nLink: x"}}]}]}`, at, digest)
}

func cyclonedxReport(at, digest string) string {
	return fmt.Sprintf(`{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":%q,"component":{"type":"container","name":"registry.example.com/app","version":%q}},
"vulnerabilities":[{"id":"CVE-2026-0001","ratings":[{"severity":"high"},{"score":9.8}],"affects":[{"ref":"pkg:deb/debian/openssl@3.5.0"}]},
{"id":"CVE-2026-0009","ratings":[{"severity":"critical"}],"analysis":{"state":"not_affected"}}]}`, at, digest)
}

// findings judges one pod of an image, by what the settings say.
func findings(t *testing.T, image, config string, reports ...string) []string {
	t.Helper()
	var scans []Scan
	for i, r := range reports {
		s, err := Read(fmt.Sprintf("r%d.json", i), []byte(r))
		if err != nil {
			t.Fatal(err)
		}
		scans = append(scans, s...)
	}
	c, err := checktest.Parse(txtar.Parse([]byte("-- .belay/check.yaml --\nevidence: {" + config + "}\n-- pod.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: app\n    image: " + image + "\n-- want --\n")))
	if err != nil {
		t.Fatal(err)
	}
	report, err := c.Judge(t.Context(), New(scans, now()))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range report.Results {
		if r.Place.String() != "pod.yaml:7:5" {
			t.Errorf("place %s", r.Place)
		}
		out = append(out, r.Rule.ID+" "+r.Message)
	}
	return out
}

func TestJudge(t *testing.T) {
	app := "registry.example.com/app@" + digest("a")
	for _, tc := range []struct {
		name, image, config string
		reports             []string
		want                []string
	}{
		{"NoReport", app, "", nil, []string{"image-not-scanned the image " + app + ": no report is about its digest"}},
		{"OtherDigest", app, "", []string{trivyReport(fresh, digest("b"), "")}, []string{"no report is about its digest"}},
		{"ConfigurationIsNoDigest", "registry.example.com/app@" + digest("f"), "", []string{trivyReport(fresh, digest("b"), "")}, []string{"no report is about its digest"}},
		{"Tag", "registry.example.com/app:1", "", []string{trivyReport(fresh, digest("a"), "")}, []string{"named without a digest"}},
		{"Clean", app, "", []string{trivyReport(fresh, digest("a"), low)}, nil},
		{"TagAndDigest", "registry.example.com/app:1@" + digest("a"), "", []string{trivyReport(fresh, digest("a"), "")}, nil},
		{"Stale", app, "", []string{trivyReport(stale, digest("a"), low)}, []string{"the scan of r0.json by trivy is of 2026-11-01, older than 30 days"}},
		{"StaleAndVulnerable", app, "", []string{trivyReport(stale, digest("a"), critical)}, []string{"image-vulnerable", "image-not-scanned"}},
		{"AgeOfSettings", app, "maxAge: 1d", []string{trivyReport(fresh, digest("a"), "")}, []string{"is of 2027-01-09, older than 1 days"}},
		{"Undated", app, "", []string{trivyReport("", digest("a"), "")}, []string{"does not say when it was made"}},
		{"Future", app, "", []string{trivyReport("2028-01-01T00:00:00Z", digest("a"), "")}, []string{"made in the future, 2028-01-01"}},
		{"Vulnerable", app, "", []string{trivyReport(fresh, digest("a"), high+","+critical+","+low)},
			[]string{"image-vulnerable the image " + app + " has CVE-2026-0001 (critical, openssl 3.5.0, fixed in 3.5.1), CVE-2026-0002 (high, zlib 1.3), says trivy"}},
		{"Fixable", app, "fixableOnly: true", []string{trivyReport(fresh, digest("a"), high)}, nil},
		{"Accepted", app, "maxSeverity: critical", []string{trivyReport(fresh, digest("a"), critical)}, nil},
		{"NothingAccepted", app, "maxSeverity: none", []string{trivyReport(fresh, digest("a"), low)}, []string{"CVE-2026-0003 (low"}},
		{"NewerOfOneTool", app, "", []string{trivyReport(stale, digest("a"), critical), trivyReport(fresh, digest("a"), "")}, nil},
		{"OtherTool", app, "", []string{grypeReport(fresh, digest("a")), trivyReport("2027-01-10T10:00:00Z", digest("a"), low)}, []string{"CVE-2026-0001 (critical, openssl 3.5.0, fixed in 3.5.1), says grype"}},
		{"Grype", app, "maxSeverity: none, fixableOnly: true", []string{grypeReport(fresh, digest("a"))}, []string{"has CVE-2026-0001 (critical, openssl 3.5.0, fixed in 3.5.1), says grype"}},
		{"SARIF", app, "", []string{sarifReport(fresh, digest("a"))}, []string{"has CVE-2026-0001 (critical, openssl 3.5.0, fixed in 3.5.1), says Trivy"}},
		{"SARIFWithoutTime", app, "maxSeverity: critical", []string{sarifReport("", digest("a"))}, []string{"by Trivy does not say when it was made"}},
		{"CycloneDX", app, "fixableOnly: true", []string{cyclonedxReport(fresh, digest("a"))}, []string{"has CVE-2026-0001 (critical, pkg:deb/debian/openssl@3.5.0), says a CycloneDX report"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := findings(t, tc.image, tc.config, tc.reports...)
			if len(got) != len(tc.want) {
				t.Fatalf("%q, want %q", got, tc.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tc.want[i]) {
					t.Errorf("%q, want %q", got[i], tc.want[i])
				}
			}
		})
	}
}

// TestReadRefuses: what would be taken for a scan and is none.
func TestReadRefuses(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"Empty", "", "r.json: read the report"},
		{"NotJSON", "<xml>", "r.json: read the report"},
		{"Other", `{"a": 1}`, "none of Trivy's JSON"},
		{"TrivyFileSystem", `{"SchemaVersion":2,"ArtifactType":"filesystem","Results":[]}`, "names no image by a digest"},
		{"TrivyWithoutPackages", strings.Replace(trivyReport(fresh, digest("a"), ""), "os-pkgs", "secret", 1), "tells of no packages"},
		{"GrypeDirectory", `{"matches":[],"source":{"type":"directory","target":"/app"}}`, "not about an image"},
		{"GrypeLocal", `{"matches":[],"source":{"type":"image","target":{"userInput":"a"}}}`, "names no image by a digest"},
		{"SARIFWithoutDigest", `{"runs":[{"tool":{"driver":{"name":"x"}},"results":[]}]}`, "names no image by a digest"},
		{"SARIFWithoutResults", `{"runs":[{"tool":{"driver":{"name":"x"}},"properties":{"repoDigests":["a@` + digest("a") + `"]},"results":[]}]}`, "has no results"},
		{"SARIFWithoutRuns", `{"runs":[]}`, "has no runs"},
		{"BillOfMaterials", `{"bomFormat":"CycloneDX","metadata":{"component":{"type":"container","version":"` + digest("a") + `"}},"vulnerabilities":[]}`, "lists no vulnerabilities"},
		{"Application", `{"bomFormat":"CycloneDX","metadata":{"component":{"type":"application","version":"` + digest("a") + `"}}}`, "no container with a digest"},
	} {
		s, err := Read("r.json", []byte(tc.text))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "r.json: ") || !fault.Is(err, fault.Invalid) || s != nil {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}

func TestProfiles(t *testing.T) {
	for _, r := range New(nil, now()).Rules() {
		if r.ID == "image-not-scanned" && (r.In(check.Default) != check.Warning || r.In(check.Restricted) != check.Error) {
			t.Errorf("%+v", r)
		}
	}
}

func fuzz(f *testing.F, seed string) {
	f.Add([]byte(seed))
	f.Fuzz(func(t *testing.T, data []byte) {
		scans, err := Read("r.json", data)
		for _, s := range scans {
			if err != nil || len(s.Digests) == 0 || s.File != "r.json" {
				t.Errorf("%v %+v", err, s)
			}
		}
		if len(scans) > 0 {
			j := New(scans, now()).judge(check.EvidenceConfig{})
			j.image("a@" + scans[0].Digests[0])
		}
	})
}

func FuzzTrivy(f *testing.F)     { fuzz(f, trivyReport(fresh, digest("a"), critical)) }
func FuzzGrype(f *testing.F)     { fuzz(f, grypeReport(fresh, digest("a"))) }
func FuzzSARIF(f *testing.F)     { fuzz(f, sarifReport(fresh, digest("a"))) }
func FuzzCycloneDX(f *testing.F) { fuzz(f, cyclonedxReport(fresh, digest("a"))) }
