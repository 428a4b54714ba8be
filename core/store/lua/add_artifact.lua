-- An artifact as JSON: digest, key of its bytes, placed (what their file looks like), fields, and tenant,
-- who holds it then. Returns the file that no record names after that; nil if there is none.
return add_artifact(cjson.decode(ARGV[2]), now_ms()) or false
