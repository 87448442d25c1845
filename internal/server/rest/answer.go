package rest

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	if r.Method != http.MethodGet || len(data) < compressFrom {
		_, _ = w.Write(data) // the caller is gone
		return nil
	}
	w.Header().Add("Vary", "Accept-Encoding")
	if !acceptsGzip(r.Header.Get("Accept-Encoding")) {
		_, _ = w.Write(data) // the caller is gone
		return nil
	}
	w.Header().Set("Content-Encoding", "gzip")
	// The fastest level makes a list a tenth already; a better one costs more time than it saves on a network of today.
	packed, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return fmt.Errorf("compress answer: %w", err)
	}
	_, _ = packed.Write(data) // the caller is gone
	_ = packed.Close()
	return nil
}

// compressFrom is the size in bytes from which an answer is worth compressing. Only what is read is compressed: an answer that
// has a token in it is none of these.
const compressFrom = 4096

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip is named, and not with a weight of 0.
func acceptsGzip(header string) bool {
	for _, part := range strings.Split(header, ",") {
		name, parameters, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		weight, ok := strings.CutPrefix(strings.TrimSpace(parameters), "q=")
		if !ok {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}
