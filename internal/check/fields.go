package check

// At returns the value at keys below a mapping, nil if there is none.
func At(m map[string]any, keys ...string) any {
	var v any = m
	for _, key := range keys {
		inner, _ := v.(map[string]any)
		if v = inner[key]; v == nil {
			return nil
		}
	}
	return v
}

// MapAt returns the mapping at keys, nil if there is none.
func MapAt(m map[string]any, keys ...string) map[string]any {
	v, _ := At(m, keys...).(map[string]any)
	return v
}

// ListAt returns the list at keys, nil if there is none.
func ListAt(m map[string]any, keys ...string) []any {
	v, _ := At(m, keys...).([]any)
	return v
}

// TextAt returns the text at keys, empty if there is none.
func TextAt(m map[string]any, keys ...string) string {
	v, _ := At(m, keys...).(string)
	return v
}

// TextsAt returns the texts of the list at keys; what is no text is left out.
func TextsAt(m map[string]any, keys ...string) (out []string) {
	for _, v := range ListAt(m, keys...) {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// IntAt returns the whole number at keys, and whether there is one.
func IntAt(m map[string]any, keys ...string) (int64, bool) {
	switch v := At(m, keys...).(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case float64:
		return int64(v), v == float64(int64(v))
	}
	return 0, false
}

// Site is where an object will live. Of units without a cluster nobody knows whether they meet on one, so that each is a place of
// its own: Unit is its name then, and empty otherwise.
type Site struct{ Cluster, Namespace, Unit string }

// Site returns where the object will live.
func (o *Object) Site() Site {
	s := Site{Cluster: o.Unit.Cluster, Namespace: o.Ref.Namespace}
	if s.Cluster == "" {
		s.Unit = o.Unit.Name
	}
	return s
}

// Anywhere returns the site of the same namespace on a cluster that is not known: what a directory that no Application refers
// to says of a namespace is taken to hold for all clusters that say nothing else.
func (s Site) Anywhere() Site { return Site{Namespace: s.Namespace} }
