package cli

import (
	"time"

	"github.com/spf13/pflag"
)

// CheckInputs are what check judges besides the manifests, and what it knows of findings. Files are those of the caller's directory.
type CheckInputs struct {
	// Baseline is a file of findings that were there before; WriteBaseline is where to write one. Empty for none.
	Baseline, WriteBaseline string
	// Commits is a range of commits whose messages are judged, such as origin/main..HEAD; Title that of a pull request, nil for
	// none.
	Commits string
	Title   *string
	// Evidence are reports of vulnerability scanners.
	Evidence []string
	// Now is the time of the judgement.
	Now time.Time
}

func (i *CheckInputs) flags(f *pflag.FlagSet) {
	f.StringVar(&i.Baseline, "baseline", "", "file of findings that were there before: they do not count")
	f.StringVar(&i.WriteBaseline, "write-baseline", "", "write the findings to this file, and do not fail for them")
	f.StringVar(&i.Commits, "commits", "", "judge the messages of these commits too, such as origin/main..HEAD")
	f.Var(optionalText{&i.Title}, "title", "judge this title of a pull request too")
	f.StringArrayVar(&i.Evidence, "evidence", nil, "report of a vulnerability scanner (JSON of Trivy or Grype, SARIF, CycloneDX); judge images by it; can be repeated")
}

// optionalText is a flag that may be left out, which is not the same as empty.
type optionalText struct{ to **string }

// Set implements pflag.Value.
func (o optionalText) Set(text string) error {
	*o.to = &text
	return nil
}

// String implements pflag.Value.
func (o optionalText) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return **o.to
}

// Type implements pflag.Value.
func (optionalText) Type() string { return "string" }
