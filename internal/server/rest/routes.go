package rest

import (
	"slices"

	"github.com/belaycd/belay/internal/server"
)

// Routes is the table: every procedure with its method and path.
func Routes(s *server.Server) []Route {
	return slices.Concat(sessionRoutes(s), applicationRoutes(s), resourceRoutes(s), projectRoutes(s), settingsRoutes(s), belayRoutes(s))
}

const (
	apps = "/api/v1/applications"
	app  = apps + "/{name}"
)

func applicationRoutes(s *server.Server) []Route {
	const service = "ApplicationService_"
	return []Route{
		call("GET", apps, service+"List", "The applications that the caller may see", s.ListApplications),
		call("POST", apps, service+"Create", "Make an application; upsert=true changes one that exists", s.CreateApplication),
		call("GET", app, service+"Get", "One application; refresh=normal or hard compares it first", s.GetApplication),
		call("PUT", app, service+"Update", "Change specification, labels, annotations and finalizers", s.UpdateApplication),
		call("PATCH", app, service+"Patch", "Patch specification, labels, annotations and finalizers", s.PatchApplication),
		call("DELETE", app, service+"Delete", "Delete an application, with its objects unless cascade=false", s.DeleteApplication),
		call("PUT", app+"/spec", service+"UpdateSpec", "Change the specification", s.UpdateApplicationSpec),
		call("POST", app+"/sync", service+"Sync", "Start a sync", s.SyncApplication),
		call("POST", app+"/rollback", service+"Rollback", "Go back to an earlier deployment", s.RollbackApplication),
		call("DELETE", app+"/operation", service+"TerminateOperation", "End the running operation", s.TerminateOperation),
		call("GET", app+"/manifests", service+"GetManifests", "What the application renders, without secret values", s.GetManifests),
		call("GET", app+"/syncwindows", service+"GetApplicationSyncWindows", "The sync windows that concern the application", s.GetApplicationSyncWindows),
		call("GET", app+"/revisions/{revision}/metadata", service+"RevisionMetadata", "What a commit is", s.RevisionMetadata),
		call("GET", app+"/links", service+"ListLinks", "Pages of the application", s.ListLinks),
		flow("/api/v1/stream/applications", service+"Watch", "The applications, and their changes", s.WatchApplications),
	}
}

func resourceRoutes(s *server.Server) []Route {
	const service = "ApplicationService_"
	return []Route{
		call("GET", app+"/resource-tree", service+"ResourceTree", "The objects of the application and what they own", s.ResourceTree),
		flow("/api/v1/stream"+"/applications/{name}/resource-tree", service+"WatchResourceTree", "The tree, and again when it is another one", s.WatchResourceTree),
		call("GET", app+"/managed-resources", service+"ManagedResources", "The objects as they are and as they are wanted", s.ManagedResources),
		call("GET", app+"/events", service+"ListResourceEvents", "Events of the application or of one of its objects", s.ListResourceEvents),
		flow(app+"/logs", service+"PodLogs", "Logs of the pods of the application or of one of its objects", s.PodLogs),
		flow(app+"/pods/{podName}/logs", service+"PodLogs2", "Logs of one pod", s.PodLogs),
		call("GET", app+"/resource", service+"GetResource", "One object, without secret values", s.GetResource),
		call("POST", app+"/resource", service+"PatchResource", "Patch one object", s.PatchResource),
		call("DELETE", app+"/resource", service+"DeleteResource", "Delete one object", s.DeleteResource),
		call("GET", app+"/resource/actions", service+"ListResourceActions", "What can be done to an object", s.ListResourceActions),
		call("POST", app+"/resource/actions", service+"RunResourceAction", "Do it; the body is the name of the action", s.RunResourceActionV1),
		call("POST", app+"/resource/actions/v2", service+"RunResourceActionV2", "Do it, with parameters", s.RunResourceAction),
		call("GET", app+"/resource/links", service+"ListResourceLinks", "Pages of an object", s.ListResourceLinks),
	}
}

func projectRoutes(s *server.Server) []Route {
	const service, projects, project = "ProjectService_", "/api/v1/projects", "/api/v1/projects/{name}"
	const tokens = projects + "/{project}/roles/{role}/token"
	return []Route{
		call("GET", projects, service+"List", "The projects that the caller may see", s.ListProjects),
		call("POST", projects, service+"Create", "Make a project", s.CreateProject),
		call("GET", project, service+"Get", "One project", s.GetProject),
		call("PUT", project, service+"Update", "Change a project", s.UpdateProject),
		call("DELETE", project, service+"Delete", "Delete a project that no application is in", s.DeleteProject),
		call("GET", project+"/detailed", service+"GetDetailedProject", "A project with its repositories and clusters", s.GetDetailedProject),
		call("GET", project+"/events", service+"ListEvents", "Events of a project", s.ListProjectEvents),
		call("GET", project+"/globalprojects", service+"GetGlobalProjects", "The projects that a project takes over from", s.GetGlobalProjects),
		call("GET", project+"/syncwindows", service+"GetSyncWindowsState", "The sync windows that are open now", s.GetSyncWindowsState),
		call("GET", project+"/links", service+"ListLinks", "Pages of a project", s.ListProjectLinks),
		call("POST", tokens, service+"CreateToken", "Give a role of a project a token", s.CreateProjectToken),
		call("DELETE", tokens+"/{iat}", service+"DeleteToken", "Take a token from a role, by its id or the second that it was issued in", s.DeleteProjectToken),
	}
}

func settingsRoutes(s *server.Server) []Route {
	return []Route{
		call("GET", "/api/v1/clusters", "ClusterService_List", "The clusters that the caller may see", s.ListClusters),
		call("GET", "/api/v1/clusters/{id}", "ClusterService_Get", "One cluster, by its server, or with id.type=name by its name", s.GetCluster),
		call("GET", "/api/v1/repositories", "RepositoryService_ListRepositories", "The repositories that the caller may see", s.ListRepositories),
		call("GET", "/api/v1/repositories/{repo}", "RepositoryService_Get", "One repository", s.GetRepository),
		call("GET", "/api/v1/repocreds", "RepoCredsService_ListRepositoryCredentials", "Addresses for which there are credentials", s.ListRepoCreds),
		call("GET", "/api/v1/certificates", "CertificateService_ListCertificates", "What connections to repositories trust", s.ListCertificates),
		call("GET", "/api/v1/gpgkeys", "GPGKeyService_List", "Public keys that signatures of commits are checked with", s.ListGPGKeys),
		call("GET", "/api/v1/notifications/services", "NotificationService_ListServices", "What notifications can be sent to", s.ListNotificationServices),
		call("GET", "/api/v1/notifications/triggers", "NotificationService_ListTriggers", "What there is to be told of", s.ListNotificationTriggers),
		call("GET", "/api/v1/notifications/templates", "NotificationService_ListTemplates", "What notifications are made of", s.ListNotificationTemplates),
		call("GET", "/api/v1/account", "AccountService_ListAccounts", "The local accounts that the caller may see", s.ListAccounts),
		call("PUT", "/api/v1/account/password", "AccountService_UpdatePassword", "Change a password", s.UpdatePassword),
		call("GET", "/api/v1/account/{name}", "AccountService_GetAccount", "One account", s.GetAccount),
		call("POST", "/api/v1/account/{name}/token", "AccountService_CreateToken", "Give an account a token", s.CreateToken),
		call("DELETE", "/api/v1/account/{name}/token/{id}", "AccountService_DeleteToken", "Take a token from an account", s.DeleteToken),
		call("GET", "/api/v1/account/can-i/{resource}/{action}/{subresource...}", "AccountService_CanI", "Whether the caller may do something", s.CanI),
		call("GET", "/api/v1/settings", "SettingsService_Get", "What clients have to know", s.GetSettings).public(),
		call("GET", "/api/version", "VersionService_Version", "Which program answers", s.Version).public(),
		badgeRoute(s),
	}
}

// belayRoutes are Belay's own.
func belayRoutes(s *server.Server) []Route {
	const base = "/api/belay/v1"
	return []Route{
		call("GET", base+"/me", "Belay_Me", "Who the caller is, and what may be offered", s.Me).public(),
		call("GET", base+"/deployments", "Belay_Deployments", "Services and environments", s.Deployments),
		call("GET", base+"/deployments/table", "Belay_DeploymentTable", "Services and environments, by columns", s.DeploymentTable),
		flow(base+"/stream", "Belay_Stream", "Rows of deployments that have become others", s.Stream),
		call("GET", base+"/applications/{name}/resources/table", "Belay_ResourceTable", "The objects of an application, by columns", s.ResourceTable),
		call("GET", base+"/applications/{name}/plan", "Belay_Plan", "What a sync would do", s.Plan),
		call("POST", base+"/applications/{name}/sync", "Belay_PlanSync", "Syncs what was reviewed", s.PlanSync),
		call("POST", base+"/applications/{name}/rollback", "Belay_PlanRollback", "Goes back to an earlier deployment, as reviewed", s.PlanRollback),
		call("GET", base+"/applications/{name}/why", "Belay_Why", "Why something is not as it should be", s.Why),
		call("GET", base+"/applications/{name}/history", "Belay_History", "The deployments", s.History),
		call("GET", base+"/activities", "Belay_Activities", "What happened, and who did what", s.Activities),
		call("GET", base+"/compare", "Belay_Compare", "What differs between two applications", s.Compare),
		call("GET", base+"/search", "Belay_Search", "Applications, objects, images and commits by words", s.Search),
	}
}
