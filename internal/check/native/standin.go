package native

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/discovery"
	discoveryvalidation "k8s.io/kubernetes/pkg/apis/discovery/validation"
)

// standIn is a strategy for the few kinds whose own one comes with a controller or an admission plugin: the validation is the API
// server's, what it does besides is nothing that a manifest shows.
type standIn[T runtime.Object] struct {
	rest.DeclarativeValidation
	names.NameGenerator
	create func(T) field.ErrorList
	update func(now, was T) field.ErrorList
	warn   func(T) []string
}

func endpoints() strategy {
	return stand(validation.ValidateEndpointsCreate, validation.ValidateEndpointsUpdate, func(o *core.Endpoints) (warnings []string) {
		for i, subset := range o.Subsets {
			path := field.NewPath("subsets").Index(i)
			for j, address := range subset.Addresses {
				warnings = append(warnings, utilvalidation.GetWarningsForIP(path.Child("addresses").Index(j).Child("ip"), address.IP)...)
			}
			for j, address := range subset.NotReadyAddresses {
				warnings = append(warnings, utilvalidation.GetWarningsForIP(path.Child("notReadyAddresses").Index(j).Child("ip"), address.IP)...)
			}
		}
		return warnings
	})
}

func endpointSlices() strategy {
	return stand(discoveryvalidation.ValidateEndpointSliceCreate, discoveryvalidation.ValidateEndpointSliceUpdate, func(o *discovery.EndpointSlice) (warnings []string) {
		if o.AddressType == discovery.AddressTypeFQDN {
			return []string{"addressType: FQDN endpoints are deprecated"}
		}
		for i, endpoint := range o.Endpoints {
			for j, address := range endpoint.Addresses {
				warnings = append(warnings, utilvalidation.GetWarningsForIP(field.NewPath("endpoints").Index(i).Child("addresses").Index(j), address)...)
			}
		}
		return warnings
	})
}

// mountable is an annotation of service accounts that goes away.
const mountable = "kubernetes.io/enforce-mountable-secrets"

func serviceAccounts() strategy {
	return stand(validation.ValidateServiceAccount, validation.ValidateServiceAccountUpdate, func(o *core.ServiceAccount) []string {
		if o.Annotations[mountable] == "" {
			return nil
		}
		return []string{"metadata.annotations[" + mountable + "]: deprecated since v1.32; keep Secrets apart by namespaces instead"}
	})
}

func stand[T runtime.Object](create func(T) field.ErrorList, update func(now, was T) field.ErrorList, warn func(T) []string) strategy {
	return standIn[T]{rest.DeclarativeValidation{Scheme: legacyscheme.Scheme}, names.SimpleNameGenerator, create, update, warn}
}

func (standIn[T]) NamespaceScoped() bool                                            { return true }
func (standIn[T]) AllowCreateOnUpdate(context.Context) bool                         { return false }
func (standIn[T]) AllowUnconditionalUpdate(context.Context) bool                    { return true }
func (standIn[T]) PrepareForCreate(context.Context, runtime.Object)                 {}
func (standIn[T]) PrepareForUpdate(context.Context, runtime.Object, runtime.Object) {}
func (standIn[T]) Canonicalize(runtime.Object)                                      {}

func (s standIn[T]) Validate(_ context.Context, o runtime.Object) field.ErrorList {
	return s.create(o.(T))
}

func (s standIn[T]) ValidateUpdate(_ context.Context, now, was runtime.Object) field.ErrorList {
	return s.update(now.(T), was.(T))
}

func (s standIn[T]) WarningsOnCreate(_ context.Context, o runtime.Object) []string {
	return s.warn(o.(T))
}

func (s standIn[T]) WarningsOnUpdate(_ context.Context, now, _ runtime.Object) []string {
	return s.warn(now.(T))
}
