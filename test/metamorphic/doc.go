// Package metamorphic compares what checks say with what a real API server says, over generated mutations of real manifests.
package metamorphic
