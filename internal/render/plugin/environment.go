package plugin

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/belaycd/belay/api/v1alpha1"
	"github.com/belaycd/belay/internal/fault"
	"github.com/belaycd/belay/internal/render"
)

// environment returns the variables of a plugin's programs besides those of its workspace: the build environment, those of
// the Application with the prefix that keeps them from taking the place of others, and the parameters, as JSON and one by
// one. Empty ones are left out, as in Argo CD.
func environment(env render.Env, wanted *v1alpha1.ApplicationSourcePlugin) ([]string, error) {
	var out []string
	var broken string
	add := func(name, value string) {
		switch {
		case strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value, 0):
			broken = name
		case value != "":
			out = append(out, name+"="+value)
		}
	}
	for _, v := range env.All() {
		add(v.Name, v.Value)
	}
	parameters := []v1alpha1.ApplicationSourcePluginParameter{}
	if wanted != nil {
		for _, v := range wanted.Env {
			add("ARGOCD_ENV_"+v.Name, env.Expand(v.Value))
		}
		parameters = append(parameters, wanted.Parameters...)
	}
	for _, p := range parameters {
		name := "PARAM_" + escape(p.Name)
		if p.String != nil {
			add(name, *p.String)
		}
		for i, value := range p.Array {
			add(name+"_"+strconv.Itoa(i), value)
		}
		for key, value := range p.Map {
			add(name+"_"+escape(key), value)
		}
	}
	if broken != "" {
		return nil, fault.New(fault.Invalid, "spec.source.plugin: %q cannot be an environment variable: its name holds an equals sign, or it holds a zero byte", broken)
	}
	text, err := json.Marshal(parameters)
	if err != nil {
		return nil, fault.New(fault.Invalid, "spec.source.plugin.parameters: %w", err)
	}
	add("ARGOCD_APP_PARAMETERS", string(text))
	return out, nil
}

// escape turns the name of a parameter into a part of the name of a variable.
func escape(name string) string {
	return strings.ToUpper(strings.Map(func(c rune) rune {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '_'
	}, name))
}
