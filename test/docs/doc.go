// Package docs checks the documentation: the Markdown files of the repository go in; links that lead nowhere, and a
// command reference that differs from the commands, come out.
package docs
