package helm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	chart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/belaycd/belay/internal/fault"
)

// validateValues checks the values of the chart and its dependencies against values.schema.json. Helm's own check
// would fetch what a schema refers to over the network or from the local disk.
func validateValues(c *chart.Chart, values map[string]any) error {
	if c.Schema != nil {
		if err := validate(c.Schema, values); err != nil {
			return fault.New(fault.Invalid, "chart %s: values do not meet values.schema.json: %w", c.Name(), err)
		}
	}
	for _, sub := range c.Dependencies() {
		raw, ok := values[sub.Name()]
		if !ok || raw == nil {
			continue
		}
		table, ok := raw.(map[string]any)
		if !ok {
			return fault.New(fault.Invalid, "chart %s: values of dependency %s are not a mapping", c.Name(), sub.Name())
		}
		if err := validateValues(sub, table); err != nil {
			return err
		}
	}
	return nil
}

const schemaURL = "file:///values.schema.json"

func validate(schemaJSON []byte, values map[string]any) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaJSON))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.UseLoader(offline{})
	if err := compiler.AddResource(schemaURL, doc); err != nil {
		return err
	}
	schema, err := compiler.Compile(schemaURL)
	if err != nil {
		return err
	}
	err = schema.Validate(values)
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(err.Error(), "jsonschema validation failed with '"+schemaURL+"#'\n")
	return errors.New(text)
}

// offline refuses what is not in the schema itself.
type offline struct{}

// Load implements jsonschema.URLLoader.
func (offline) Load(url string) (any, error) {
	return nil, fmt.Errorf("the schema refers to %s: renders load nothing from outside the chart; inline it or set skipSchemaValidation", url)
}
