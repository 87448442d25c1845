package render

import (
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/source"
)

// overrideFile is the file beside the manifests that is merged over the source; image updaters write it.
const overrideFile = ".argocd-source"

// mergeOverrides lays .argocd-source.yaml and .argocd-source-<app>.yaml of dir over the source as JSON merge
// patches. Where content comes from (repository, path, chart, revision) they cannot change.
func mergeOverrides(files source.FS, dir string, spec Spec) (v1alpha1.ApplicationSource, error) {
	merged := *spec.Source.DeepCopy()
	names := []string{overrideFile + ".yaml"}
	// A name with a slash would name a file of another directory.
	if spec.AppName != "" && !strings.ContainsAny(spec.AppName, `/\`) {
		names = append(names, overrideFile+"-"+spec.AppName+".yaml")
	}
	for _, name := range names {
		name = path.Join(dir, name)
		found, err := isFile(files, name)
		if err != nil {
			return merged, err
		}
		if !found {
			continue
		}
		patch, err := files.ReadFile(name)
		if err != nil {
			return merged, Classify("read "+name, err)
		}
		if merged, err = applyOverride(merged, patch); err != nil {
			return merged, fault.New(fault.Invalid, "%s: %w", name, err)
		}
	}
	merged.RepoURL, merged.Path = spec.Source.RepoURL, spec.Source.Path
	merged.Chart, merged.TargetRevision = spec.Source.Chart, spec.Source.TargetRevision
	return merged, nil
}

func applyOverride(base v1alpha1.ApplicationSource, patch []byte) (v1alpha1.ApplicationSource, error) {
	patchJSON, err := yaml.YAMLToJSON(patch)
	if err != nil {
		return base, err
	}
	if trimmed := strings.TrimSpace(string(patchJSON)); trimmed == "null" {
		return base, nil
	} else if !strings.HasPrefix(trimmed, "{") {
		return base, errors.New("a mapping with fields of spec.source is wanted")
	}
	original, err := json.Marshal(base)
	if err != nil {
		return base, err
	}
	data, err := jsonpatch.MergePatch(original, patchJSON)
	if err != nil {
		return base, err
	}
	var out v1alpha1.ApplicationSource
	if err := json.Unmarshal(data, &out); err != nil {
		return base, err
	}
	return out, nil
}

func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || fault.Is(err, fault.NotFound)
}
