package registry

import (
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"

	"github.com/belaycd/belay/internal/fault"
)

// pick returns the version that target means among those of place: the one of that very name, else the highest that
// satisfies it as a constraint, as Helm does. Empty is the latest stable one. Prereleases satisfy only a constraint that
// names one.
func pick(p place, target string, versions []string) (string, error) {
	if slices.Contains(versions, target) {
		return target, nil
	}
	if target == "" {
		target = "*"
	}
	constraint, err := semver.NewConstraint(target)
	if err != nil {
		return "", fault.New(fault.NotFound, "%s has no version %q, which is no version range either; %s", p, target, offers(versions))
	}
	if v := highest(versions, constraint.Check); v != "" {
		return v, nil
	}
	return "", fault.New(fault.NotFound, "no version of %s satisfies %q; %s", p, target, offers(versions))
}

// isPin reports whether target can only be the name of one version.
func isPin(target string) bool {
	_, err := semver.StrictNewVersion(strings.TrimPrefix(target, "v"))
	return err == nil
}

// isRange reports whether target is a constraint and not a version or a name.
func isRange(target string) bool {
	if isPin(target) {
		return false
	}
	_, err := semver.NewConstraint(target)
	return err == nil
}

// highest returns the highest of the versions that ok accepts. Names that are no versions do not count.
func highest(versions []string, ok func(*semver.Version) bool) string {
	var name string
	var best *semver.Version
	for _, text := range versions {
		v, err := semver.NewVersion(text)
		if err == nil && ok(v) && (best == nil || v.GreaterThan(best)) {
			name, best = text, v
		}
	}
	return name
}

// offers tells which versions there are.
func offers(versions []string) string {
	all := func(*semver.Version) bool { return true }
	stable := func(v *semver.Version) bool { return v.Prerelease() == "" }
	switch latest, any := highest(versions, stable), highest(versions, all); {
	case latest != "":
		return "the latest is " + latest
	case any != "":
		return "there are prereleases only, the latest " + any + "; a range such as >=0.0.0-0 admits them"
	case len(versions) > 0:
		return "none of its versions is a semantic version"
	}
	return "it has no versions"
}
