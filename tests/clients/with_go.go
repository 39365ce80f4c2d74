// Go's net/http, over HTTP/1.1 and HTTP/2.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"time"
)

var block = func() []byte {
	all := make([]byte, 1<<16)
	for n := range all {
		all[n] = byte((n*7 + n/251) % 256)
	}
	return all
}()

func content(size int) []byte { return bytes.Repeat(block, size/len(block)+1)[:size] }

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

// Hides a body's length.
type unsized struct{ io.Reader }

func check(client *http.Client, base string, major int) error {
	connects := 0
	send := func(method, path string, body io.Reader) ([]byte, error) {
		request, err := http.NewRequest(method, base+path, body)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
		trace := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
			if !got.Reused {
				connects++
			}
		}}
		reply, err := client.Do(request.WithContext(httptrace.WithClientTrace(request.Context(), trace)))
		if err != nil {
			return nil, err
		}
		defer reply.Body.Close()
		if reply.StatusCode != 200 || reply.ProtoMajor != major {
			return nil, fmt.Errorf("%s %s: %s over %s", method, path, reply.Status, reply.Proto)
		}
		return io.ReadAll(reply.Body)
	}
	for _, size := range []int{0, 1, 1000, 65536, 1_000_003, 20_000_000} {
		got, err := send("GET", fmt.Sprintf("/file/%d", size), nil)
		if err != nil || !bytes.Equal(got, content(size)) {
			return fmt.Errorf("%d bytes: %v", size, err)
		}
		for _, body := range []io.Reader{bytes.NewReader(content(size)), unsized{bytes.NewReader(content(size))}} {
			said, err := send("POST", "/digest/1", body)
			var told struct {
				Bytes  int
				Sha256 string
			}
			if err != nil || json.Unmarshal(said, &told) != nil || told.Bytes != size || told.Sha256 != sum(content(size)) {
				return fmt.Errorf("%d bytes sent: %v %s", size, err, said)
			}
		}
	}
	if connects != 1 {
		return fmt.Errorf("%d connections", connects)
	}
	var group sync.WaitGroup
	failures := make(chan error, 50)
	for n := 0; n < 50; n++ {
		group.Add(1)
		go func(n int) {
			defer group.Done()
			request, _ := http.NewRequest("GET", fmt.Sprintf("%s/file/%d", base, n*1000), nil)
			request.Header.Set("X-API-Key", os.Getenv("TOKEN"))
			reply, err := client.Do(request)
			if err != nil {
				failures <- err
				return
			}
			defer reply.Body.Close()
			if got, err := io.ReadAll(reply.Body); err != nil || !bytes.Equal(got, content(n*1000)) {
				failures <- fmt.Errorf("at once, %d bytes: %v", n*1000, err)
			}
		}(n)
	}
	group.Wait()
	close(failures)
	return <-failures
}

func main() {
	pem, _ := os.ReadFile(os.Getenv("CA"))
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	failed := 0
	for _, way := range []struct {
		base  string
		major int
	}{{os.Getenv("PLAIN"), 1}, {os.Getenv("TLS"), 1}, {os.Getenv("TLS"), 2}} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: way.major == 2}
		began := time.Now()
		name := fmt.Sprintf("net/http at %s over HTTP/%d", way.base, way.major)
		if err := check(&http.Client{Transport: transport, Timeout: 20 * time.Second}, way.base, way.major); err != nil {
			failed = 1
			fmt.Printf("FAILED  %s: %v\n", name, err)
		} else {
			fmt.Printf("ok      %s, %.1f s\n", name, time.Since(began).Seconds())
		}
	}
	os.Exit(failed)
}
