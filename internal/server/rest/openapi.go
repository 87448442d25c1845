package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3gen"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/belaycd/belay/internal/server"
)

// Document describes the table in OpenAPI 3. Schemas are made from the Go types.
func Document(table []Route) (*openapi3.T, error) {
	doc := &openapi3.T{
		OpenAPI: "3.0.3", Paths: openapi3.NewPaths(),
		Info: &openapi3.Info{Title: "Belay", Version: "v1", Description: "Belay's API. Paths below /api/v1 are those of Argo CD."},
		Components: &openapi3.Components{Schemas: openapi3.Schemas{}, SecuritySchemes: openapi3.SecuritySchemes{
			"token": {Value: openapi3.NewSecurityScheme().WithType("http").WithScheme("bearer")},
		}},
	}
	g := &documenter{doc: doc, generator: openapi3gen.NewGenerator(
		openapi3gen.CreateComponentSchemas(openapi3gen.ExportComponentSchemasOptions{ExportComponentSchemas: true, ExportTopLevelSchema: true}),
		openapi3gen.CreateTypeNameGenerator(schemaName), openapi3gen.SchemaCustomizer(customize),
	)}
	for _, r := range table {
		op, err := g.operation(r)
		if err != nil {
			return nil, fmt.Errorf("describe %s %s: %w", r.Method, r.Path, err)
		}
		doc.AddOperation(strings.ReplaceAll(r.Path, "...}", "}"), r.Method, op)
	}
	return doc, nil
}

type documenter struct {
	doc       *openapi3.T
	generator *openapi3gen.Generator
}

func (g *documenter) schema(t reflect.Type) (*openapi3.SchemaRef, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return g.generator.NewSchemaRefForValue(reflect.New(t).Interface(), g.doc.Components.Schemas)
}

func (g *documenter) operation(r Route) (*openapi3.Operation, error) {
	op := openapi3.NewOperation()
	op.OperationID, op.Summary = r.Name, r.Summary
	op.Tags = []string{strings.TrimSuffix(strings.SplitN(r.Name, "_", 2)[0], "Service")}
	if !r.Public {
		op.Security = &openapi3.SecurityRequirements{{"token": {}}}
	}
	if err := g.parameters(op, r); err != nil {
		return nil, err
	}
	op.Responses = openapi3.NewResponsesWithCapacity(2)
	ok := openapi3.NewResponse().WithDescription("The answer")
	switch {
	case r.media != "":
		ok.Content = openapi3.NewContentWithSchema(openapi3.NewStringSchema(), []string{r.media})
	default:
		schema, err := g.schema(r.response)
		if err != nil {
			return nil, err
		}
		if r.Stream {
			element := schema
			if !strings.HasPrefix(r.Path, "/api/belay/") {
				element = openapi3.NewObjectSchema().WithPropertyRef("result", schema).NewRef()
			}
			ok.Content = openapi3.NewContentWithSchemaRef(element, []string{"application/json", "text/event-stream"})
		} else {
			ok.Content = openapi3.NewContentWithJSONSchemaRef(schema)
		}
	}
	op.Responses.Set("200", &openapi3.ResponseRef{Value: ok})
	problem, err := g.schema(reflect.TypeFor[Problem]())
	if err != nil {
		return nil, err
	}
	op.Responses.Set("default", &openapi3.ResponseRef{Value: openapi3.NewResponse().WithDescription("An error").WithJSONSchemaRef(problem)})
	return op, nil
}

// parameters describes what a request holds: in the path, the query, and the body.
func (g *documenter) parameters(op *openapi3.Operation, r Route) error {
	body := r.request
	err := eachField(reflect.New(r.request).Elem(), func(f reflect.StructField, _ reflect.Value) error {
		if f.Tag.Get(tagBody) != "" {
			body = f.Type
		}
		schema, err := g.schema(f.Type)
		if err != nil {
			return err
		}
		inPath := f.Tag.Get(tagPath)
		if inPath != "" && (strings.Contains(r.Path, "{"+inPath+"}") || strings.Contains(r.Path, "{"+inPath+"...}")) {
			op.AddParameter(openapi3.NewPathParameter(inPath).WithSchema(schema.Value))
			return nil
		}
		if query := names(f.Tag.Get(tagQuery)); len(query) > 0 {
			op.AddParameter(openapi3.NewQueryParameter(query[0]).WithSchema(schema.Value))
		}
		return nil
	})
	if err != nil || !hasBody(r.Method) {
		return err
	}
	schema, err := g.schema(body)
	if err != nil {
		return err
	}
	op.RequestBody = &openapi3.RequestBodyRef{Value: openapi3.NewRequestBody().WithJSONSchemaRef(schema)}
	return nil
}

// schemaName is the type's name, for types of Kubernetes and of its custom resources with the package before it, as in Argo CD's document.
func schemaName(t reflect.Type) string {
	if ours, _ := path.Split(reflect.TypeFor[server.Server]().PkgPath()); strings.HasPrefix(t.PkgPath(), ours) {
		return t.Name()
	}
	return path.Base(t.PkgPath()) + t.Name()
}

// customize corrects the schemas of types that write themselves, and tells which fields are always there.
func customize(_ string, t reflect.Type, _ reflect.StructTag, schema *openapi3.Schema) error {
	// The generator keeps as components what has properties; types without any are referred to as well.
	defer func() {
		if t.Kind() == reflect.Struct && schema.Properties == nil {
			schema.Properties = openapi3.Schemas{}
		}
	}()
	switch t {
	case reflect.TypeFor[metav1.Time](), reflect.TypeFor[metav1.MicroTime](), reflect.TypeFor[time.Time]():
		*schema = *openapi3.NewDateTimeSchema()
		schema.Nullable = true // a time that was not set
		return nil
	case reflect.TypeFor[intstr.IntOrString]():
		*schema = openapi3.Schema{OneOf: openapi3.SchemaRefs{openapi3.NewStringSchema().NewRef(), openapi3.NewIntegerSchema().NewRef()}}
		return nil
	case reflect.TypeFor[runtime.RawExtension](), reflect.TypeFor[metav1.FieldsV1]():
		*schema = *openapi3.NewObjectSchema().WithAnyAdditionalProperties()
		return nil
	case reflect.TypeFor[resource.Quantity](), reflect.TypeFor[metav1.Duration]():
		*schema = *openapi3.NewStringSchema()
		return nil
	}
	if t.Kind() != reflect.Struct || len(schema.Properties) == 0 {
		return nil
	}
	_ = eachField(reflect.New(t).Elem(), func(f reflect.StructField, _ reflect.Value) error { // the visitor returns no error
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, known := schema.Properties[name]; known && !strings.Contains(options, "omit") {
			schema.Required = append(schema.Required, name)
		}
		return nil
	})
	slices.Sort(schema.Required)
	return nil
}

// publish serves the document, and in Argo CD's place and its older form too.
func (h *Handler) publish(mux *http.ServeMux, table []Route) error {
	doc, err := Document(table)
	if err != nil {
		return err
	}
	current, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("encode OpenAPI document: %w", err)
	}
	older, err := openapi2conv.FromV3(doc)
	if err != nil {
		return fmt.Errorf("convert OpenAPI document: %w", err)
	}
	swagger, err := json.Marshal(older)
	if err != nil {
		return fmt.Errorf("encode Swagger document: %w", err)
	}
	for pattern, data := range map[string][]byte{"GET /api/belay/v1/openapi.json": current, "GET /swagger.json": swagger} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(data) // the caller is gone
		})
	}
	return nil
}
