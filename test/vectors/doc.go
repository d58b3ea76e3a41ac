// Package vectors makes the test vectors in testdata/vectors, and holds this project's own code to them through the public API
// alone. They are for agents and servers in other languages; testdata/vectors/README.md describes them.
package vectors
