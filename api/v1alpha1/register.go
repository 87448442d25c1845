package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group and Version identify the API that this package types.
const (
	Group   = "argoproj.io"
	Version = "v1alpha1"
)

// Kinds of the API.
const (
	ApplicationKind = "Application"
	AppProjectKind  = "AppProject"
)

// GroupVersion returns argoproj.io/v1alpha1.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: Group, Version: Version}
}

// ApplicationResource returns the resource name under which the API server serves Applications.
func ApplicationResource() schema.GroupVersionResource {
	return GroupVersion().WithResource("applications")
}

// AppProjectResource returns the resource name under which the API server serves AppProjects.
func AppProjectResource() schema.GroupVersionResource {
	return GroupVersion().WithResource("appprojects")
}

// AddToScheme registers the types of this package with s.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(), &Application{}, &ApplicationList{}, &AppProject{}, &AppProjectList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
