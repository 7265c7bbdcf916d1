// Verifies a log's folder with the code of Go's checksum database, which nobody here wrote.
//
//	sumdb VKEY < LINES
//
// Each line of the standard input names a folder and, after a tab, perhaps the file of an older checkpoint. For each it
// prints `ok SIZE` or `FAIL` and what is wrong. Build it with GO111MODULE=off GOPATH=/usr/share/gocode.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// folder hands out tiles. Its paths are those of c2sp.org/tlog-tiles, which leave out the height.
type folder string

func (f folder) Height() int { return height }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path, len(data))
		}
		found = append(found, data)
	}
	return found, nil
}

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sumdb VKEY < LINES")
		os.Exit(2)
	}
	key, err := note.NewVerifier(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		dir, older, _ := strings.Cut(lines.Text(), "\t")
		if size, err := verify(dir, older, key); err != nil {
			fmt.Println("FAIL", strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", size)
		}
	}
}

func verify(dir, older string, key note.Verifier) (int64, error) {
	tree, err := checkpoint(filepath.Join(dir, "checkpoint"), key)
	if err != nil {
		return 0, err
	}
	if tree.N == 0 {
		if tree.Hash != sha256.Sum256(nil) {
			return 0, fmt.Errorf("the empty log has another root")
		}
		return 0, nil
	}
	reader := tlog.TileHashReader(tree, folder(dir))
	for first := int64(0); first < tree.N; first += width {
		if err := bundle(dir, first, tree.N, reader); err != nil {
			return 0, err
		}
	}
	if older != "" {
		if err := extends(older, tree, reader, key); err != nil {
			return 0, err
		}
	}
	return tree.N, nil
}

func checkpoint(path string, key note.Verifier) (tlog.Tree, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint of %s", key.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || strconv.FormatInt(size, 10) != lines[1] {
		return tlog.Tree{}, fmt.Errorf("not a size: %s", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("not a root: %s", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// bundle compares the entries from first on with the leaves that the tree has proved.
func bundle(dir string, first, size int64, reader tlog.HashReader) error {
	count := size - first
	if count > width {
		count = width
	}
	tile := tlog.Tile{H: height, L: 0, N: first / width, W: int(count)}
	path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return err
	}
	indexes := make([]int64, count)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
	}
	leaves, err := reader.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, leaf := range leaves {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return fmt.Errorf("%s is cut short", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if tlog.RecordHash(data[2:end]) != leaf {
			return fmt.Errorf("entry %d is another", first+int64(i))
		}
		data = data[end:]
	}
	if len(data) != 0 {
		return fmt.Errorf("%s is too long", path)
	}
	return nil
}

// extends proves that the tree only grew since an older checkpoint.
func extends(older string, tree tlog.Tree, reader tlog.HashReader, key note.Verifier) error {
	old, err := checkpoint(older, key)
	if err != nil {
		return err
	}
	if old.N > tree.N {
		return fmt.Errorf("rolled back from %d to %d", old.N, tree.N)
	}
	if old.N == 0 {
		return nil
	}
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}
