// Package callcenter is the example repository of the GitOps workflow guide: nothing goes in; the files that a team
// keeps in Git (projects, applications, base and overlays) come out, to be committed by the demo and by tests.
package callcenter

import "embed"

// RepoURL stands in the manifests for the address of the team's repository. Whoever publishes Files replaces it, in
// argocd/, by the address that the cluster can reach.
const RepoURL = "https://git.example.com/callcenter-ai.git"

// Files is the content of the repository.
//
//go:embed README.md argocd infrastructure
var Files embed.FS
