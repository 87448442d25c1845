package rest

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// answer writes an answer as JSON.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, answer any) error {
	data, err := json.Marshal(answer)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	if fields := r.URL.Query().Get("fields"); fields != "" {
		if data, err = project(data, fields); err != nil {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(data) // the caller is gone
	return nil
}
