// Package service delivers notifications: the settings of a service and a message go in; a request to that service comes out. Settings
// and the parts of templates are those of Argo CD.
package service
