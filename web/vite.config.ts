import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// Paths are relative, and resolved against <base href>, which the server writes: one bundle serves any path prefix.
export default defineConfig({
  base: './',
  plugins: [react()],
  build: {
    outDir: 'dist',
    target: 'es2022',
    manifest: true,
    // Data URLs would need a weaker content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { '/api': process.env.BELAY_SERVER ?? 'http://127.0.0.1:8080', '/auth': process.env.BELAY_SERVER ?? 'http://127.0.0.1:8080' },
  },
  test: { environment: 'happy-dom', include: ['src/**/*.test.{ts,tsx}'] },
});
