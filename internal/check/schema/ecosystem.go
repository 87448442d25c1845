package schema

// gone is an API version of another project that its present releases do not serve.
type gone struct {
	kinds          []string // empty for all
	since, instead string
}

// ecosystem lists API versions of common projects that were removed, by group and version. A definition in the repository counts
// more.
func ecosystem() map[string]gone {
	return map[string]gone{
		"certmanager.k8s.io/v1alpha1":      {since: "cert-manager 0.11", instead: "cert-manager.io/v1"},
		"cert-manager.io/v1alpha2":         {since: "cert-manager 1.6", instead: "cert-manager.io/v1"},
		"cert-manager.io/v1alpha3":         {since: "cert-manager 1.6", instead: "cert-manager.io/v1"},
		"cert-manager.io/v1beta1":          {since: "cert-manager 1.6", instead: "cert-manager.io/v1"},
		"acme.cert-manager.io/v1alpha2":    {since: "cert-manager 1.6", instead: "acme.cert-manager.io/v1"},
		"acme.cert-manager.io/v1alpha3":    {since: "cert-manager 1.6", instead: "acme.cert-manager.io/v1"},
		"acme.cert-manager.io/v1beta1":     {since: "cert-manager 1.6", instead: "acme.cert-manager.io/v1"},
		"authentication.istio.io/v1alpha1": {since: "Istio 1.6", instead: "security.istio.io/v1"},
		"rbac.istio.io/v1alpha1":           {since: "Istio 1.6", instead: "security.istio.io/v1"},
		"keda.k8s.io/v1alpha1":             {since: "KEDA 2.0", instead: "keda.sh/v1alpha1"},
		"traefik.containo.us/v1alpha1":     {since: "Traefik 3.0", instead: "traefik.io/v1alpha1"},
	}
}
