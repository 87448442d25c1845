package mask

import (
	"encoding/json"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/belaycd/belay/internal/object"
)

func objectOf(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestKeyed(t *testing.T) {
	one, two := NewKeyed([]byte("one")), NewKeyed([]byte("two"))
	again := NewKeyed([]byte("one"))
	if one.Token("a") != again.Token("a") || one.Token("a") == one.Token("b") || one.Token("a") == two.Token("a") {
		t.Error("tokens do not tell equal from different, or say the same in every run")
	}
	if len(one.Token("a")) != len(one.Token(strings.Repeat("a", 100))) {
		t.Error("a token tells the length")
	}
	secret := objectOf(t, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","annotations":{"kubectl.kubernetes.io/last-applied-configuration":"LEAK","note":"LEAK","colour":"blue"}},"data":{"a":"TEVBSw=="},"stringData":{"b":"LEAK"}}`)
	masked := one.Object(secret, "note")
	a, _, _ := unstructured.NestedString(masked.Object, "data", "a")
	b, _, _ := unstructured.NestedString(masked.Object, "stringData", "b")
	if a != b {
		t.Errorf("one value looks different in data and in stringData: %s, %s", a, b)
	}
	for name, text := range map[string]string{
		"secret":      string(encoded(t, masked)),
		"broken":      string(encoded(t, one.Object(objectOf(t, `{"apiVersion":"v1","kind":"Secret","data":["LEAK"]}`)))),
		"environment": string(encoded(t, one.Object(objectOf(t, `{"kind":"Pod","spec":{"containers":[{"env":[{"name":"DB_PASSWORD","value":"LEAK"},{"name":"COLOUR","value":"blue"}],"args":["--token=LEAK","--password","LEAK"],"command":["run","postgres://me:LEAK@db"]}]}}`)))),
		"config":      string(encoded(t, one.Object(objectOf(t, `{"kind":"ConfigMap","data":{"api_key":"LEAK","colour":"blue","app.properties":"db.password = LEAK\nx=1"}}`)))),
		"last":        string(encoded(t, one.Object(objectOf(t, `{"kind":"Pod","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"LEAK"}}}`)))),
	} {
		if strings.Contains(text, "LEAK") || strings.Contains(text, "TEVBSw") {
			t.Errorf("%s: a value is shown: %s", name, text)
		}
		if !strings.Contains(text, Hidden) || (name == "environment" || name == "config") && !strings.Contains(text, "blue") {
			t.Errorf("%s: too much or too little is masked: %s", name, text)
		}
	}
	plain := `{"kind":"Pod","spec":{"containers":[{"env":[{"name":"P","valueFrom":{"secretKeyRef":{"key":"password","name":"db"}}}]}],"imagePullSecrets":[{"name":"pull"}],"serviceAccountToken":{"expirationSeconds":600},"volumes":[{"secret":{"secretName":"db"}}]},"rules":[{"resources":["secrets"]}]}`
	if got := string(encoded(t, one.Object(objectOf(t, plain)))); strings.Contains(got, Hidden) {
		t.Errorf("a reference is masked: %s", got)
	}
	if strings.Contains(string(encoded(t, secret)), Hidden) {
		t.Error("the object itself was changed")
	}
	changes := one.Changes(object.Ref{Kind: "Pod"}, []object.Change{
		{Path: "spec.containers[name=a].env[name=DB_PASSWORD].value", Live: "LEAK", Desired: "LEAK2"}, {Path: "spec.replicas", Live: int64(1), Desired: int64(2)}})
	if changes[0].Live == "LEAK" || changes[0].Live == changes[0].Desired || changes[1].Live != int64(1) {
		t.Errorf("changes are %v", changes)
	}
	if c := one.Changes(object.Ref{Kind: "Secret"}, []object.Change{{Path: "data.a", Desired: "LEAK"}}); c[0].Desired == "LEAK" || c[0].Live != nil {
		t.Errorf("changes of a Secret are %v", c)
	}
}

func encoded(t *testing.T, u *unstructured.Unstructured) []byte {
	t.Helper()
	data, err := json.Marshal(u.Object)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
