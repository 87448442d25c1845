package check

// ConfigFile is where a repository keeps its Config.
const ConfigFile = ".belay/check.yaml"

// Config is what a team has set. The zero value is the default.
type Config struct {
	// Profile is the set of rules; empty means Default.
	Profile Profile
	// Severities replace those of the profile, by rule.
	Severities map[string]Severity
	// Policies are files and directories of the repository with the team's own policies.
	Policies []string
}

// severity of a finding of rule.
func (c Config) severity(rule Rule, f *Finding) Severity {
	if s, ok := c.Severities[rule.ID]; ok {
		return s
	}
	p := c.Profile
	if p == "" {
		p = Default
	}
	s := rule.In(p)
	if s != Off && f.Severity != Off {
		return f.Severity
	}
	return s
}
