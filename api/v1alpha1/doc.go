// Package v1alpha1 holds the argoproj.io/v1alpha1 types that Belay shares with Argo CD: YAML or JSON of an
// Application or AppProject goes in, typed values with their defaults come out. Field names, JSON names and
// meanings follow the Argo CD 3.5 custom resources, field for field; the comments say what Belay does with them.
//
// +kubebuilder:object:generate=true
// +groupName=argoproj.io
package v1alpha1
