package rest

import (
	"github.com/belaycd/belay/internal/server"
)

// Routes is the table: every procedure with its method and path.
func Routes(s *server.Server) []Route {
	var table []Route
	for _, part := range [][]Route{sessionRoutes(s), applicationRoutes(s)} {
		table = append(table, part...)
	}
	return table
}

func applicationRoutes(s *server.Server) []Route {
	const apps, app = "/api/v1/applications", "/api/v1/applications/{name}"
	return []Route{
		call("GET", apps, "ApplicationService_List", "The applications that the caller may see", s.ListApplications),
		call("GET", app, "ApplicationService_Get", "One application; refresh=normal or hard compares it first", s.GetApplication),
		call("POST", app+"/sync", "ApplicationService_Sync", "Start a sync", s.SyncApplication),
		call("POST", app+"/rollback", "ApplicationService_Rollback", "Go back to an earlier deployment", s.RollbackApplication),
		call("DELETE", app+"/operation", "ApplicationService_TerminateOperation", "End the running operation", s.TerminateOperation),
	}
}
