// Package policies compares two judges: policies and manifests go to a real API server and to the check that needs none; every
// difference between what they say comes out.
package policies
