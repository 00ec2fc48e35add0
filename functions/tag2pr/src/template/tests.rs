use super::*;

fn data() -> Value {
    let change = |old: &str, new: &str| {
        Value::object("Change", format!("{{{old} {new}}}"), vec![("Old", Value::text(old)), ("New", Value::text(new))])
    };
    Value::object(
        "Data",
        "{}".to_owned(),
        vec![
            ("Name", Value::text("web")),
            ("Count", Value::Int(3)),
            ("Half", Value::Float(0.5)),
            ("Empty", Value::list([])),
            ("Changes", Value::list([change("1.0", "1.1"), change("2.0", "2.1")])),
            ("Values", Value::map([(Value::text("cluster"), Value::text("prod"))])),
        ],
    )
}

fn render(template: &str) -> String {
    match Template::parse(template).and_then(|template| template.render(&data())) {
        Ok(text) => text,
        Err(error) => format!("error: {error}"),
    }
}

/// Each pair was written by Go's own text/template.
#[test]
fn it_writes_what_go_writes() {
    for (template, expected) in [
        ("plain", "plain"),
        ("a {{- \" b \" -}} c", "a b c"),
        ("a {{/* nothing */ -}}  c", "a c"),
        ("{{.Name}} {{.Count}} {{.Half}}", "web 3 0.5"),
        ("{{range .Changes}}{{.Old}}>{{.New}} {{end}}", "1.0>1.1 2.0>2.1 "),
        ("{{range $i, $c := .Changes}}{{$i}}={{$c.New}};{{end}}", "0=1.1;1=2.1;"),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ("{{range .Changes}}{{.Old}}{{break}}{{end}}", "1.0"),
        ("{{range .Changes}}{{if eq .Old \"1.0\"}}{{continue}}{{end}}{{.Old}}{{end}}", "2.0"),
        ("{{if .Empty}}a{{else if eq .Count 3}}b{{else}}c{{end}}", "b"),
        ("{{with .Name}}<{{.}}>{{end}}{{with .Empty}}x{{else with $.Half}}{{.}}{{end}}", "<web>0.5"),
        ("{{$x := 1}}{{range .Changes}}{{$x = .Old}}{{end}}{{$x}}", "2.0"),
        ("{{define \"t\"}}[{{.}}]{{end}}{{template \"t\" .Name}}{{block \"u\" 7}}({{.}}){{end}}", "[web](7)"),
        ("{{.Values.cluster}} {{.Values.none}} {{index .Values \"none\"}}|", "prod <no value> |"),
        ("{{(index .Changes 1).New}} {{len .Changes}} {{slice .Name 1 2}}", "2.1 2 e"),
        ("{{and .Name .Empty}} {{or .Empty .Name}} {{not .Empty}}", "[] web true"),
        ("{{print 1 2 \"x\" 3}} {{println .Values}}", "1 2x3 map[cluster:prod]\n"),
        (
            "{{printf \"%s-%d-%v-%q-%5.1f|%-5s|%05d\" .Name .Count .Empty \"a\\n\" .Half .Name -7}}",
            "web-3-[]-\"a\\n\"-  0.5|web  |-0007",
        ),
        ("{{printf \"%d\" .Name}}{{printf \"%s\"}}", "%!d(string=web)%!s(MISSING)"),
        ("{{1.0}} {{1e21}} {{0x10}} {{1_000}} {{'a'}} {{`raw\\n`}}", "1 1e+21 16 1000 97 raw\\n"),
        ("{{html \"<a&b>\"}} {{urlquery \"a b&c\"}}", "&lt;a&amp;b&gt; a+b%26c"),
        ("{{eq .Name \"x\" \"web\"}} {{lt 1 2}} {{ge \"b\" \"a\"}}", "true true true"),
    ] {
        assert_eq!(render(template), expected, "{template}");
    }
}

#[test]
fn the_text_functions_of_sprig_are_there() {
    for (template, expected) in [
        ("{{.Name | upper | quote}} {{title \"ab cd\"}} {{trunc 2 .Name}} {{trunc -2 .Name}}", "\"WEB\" Ab Cd we eb"),
        ("{{replace \"e\" \"o\" .Name}} {{contains \"eb\" .Name}} {{hasPrefix \"w\" .Name}}", "wob true true"),
        ("{{splitList \"/\" \"a/b\" | last}} {{(split \"/\" \"a/b\")._1}} {{join \",\" (list 1 2)}}", "b b 1,2"),
        ("{{default \"x\" .Values.none}} {{coalesce \"\" \"y\"}} {{ternary \"a\" \"b\" true}}", "x y a"),
        ("{{add 1 2 3}} {{sub 5 3}} {{mul 2 3}} {{div 7 2}} {{mod 7 2}} {{max 1 5 2}}", "6 2 6 3 1 5"),
        ("{{sha256sum \"\"}}", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("{{adler32sum \"Wikipedia\"}} {{b64enc \"hi\"}} {{b64dec \"aGk=\"}}", "300286872 aGk= hi"),
        ("{{indent 2 \"a\\nb\"}}|{{nindent 1 \"a\"}}|{{trimSuffix \"b\" .Name}}", "  a\n  b|\n a|we"),
        (
            "{{regexReplaceAll \"(w)e\" .Name \"${1}o\"}} {{regexMatch \"^w\" .Name}} {{regexFind \"e.\" .Name}}",
            "wob true eb",
        ),
        ("{{base \"a/b.yaml\"}} {{dir \"a/b.yaml\"}} {{ext \"a/b.yaml\"}} {{clean \"a/../b\"}}", "b.yaml a .yaml b"),
        ("{{toJson .Values}} {{keys .Values}} {{hasKey .Values \"cluster\"}}", "{\"cluster\":\"prod\"} [cluster] true"),
        (
            "{{uniq (list \"a\" \"b\" \"a\")}} {{has \"a\" (list \"a\")}} {{until 3}} {{list 1 2 | reverse}}",
            "[a b] true [0 1 2] [2 1]",
        ),
        (
            "{{semverCompare \"^1.2\" \"1.3.0\"}} {{snakecase \"FooBar\"}} {{kebabcase \"FooBar\"}} {{camelcase \"foo_bar\"}}",
            "true foo_bar foo-bar FooBar",
        ),
        (
            "{{plural \"one\" \"many\" 2}} {{repeat 3 \"ab\"}} {{substr 0 2 .Name}} {{mustRegexMatch \"w\" .Name}}",
            "many ababab we true",
        ),
        (
            "{{wrap 5 \"aa bb cc\"}} {{initials \"First Try\"}} {{nospace \"a b\"}} {{abbrev 5 \"hello world\"}}",
            "aa bb\ncc FT ab he...",
        ),
    ] {
        assert_eq!(render(template), expected, "{template}");
    }
}

#[test]
fn mistakes_are_said_with_their_line() {
    insta::assert_snapshot!(
        [
            "{{ .Name",
            "one\n{{ if .Name }}\ntwo",
            "{{ end }}",
            "{{ else }}",
            "{{ $x }}",
            "{{ now }}",
            "{{ uper .Name }}",
            "a\nb {{ .Nme }}",
            "{{ .Name.First }}",
            "{{ .Name \"x\" }}",
            "{{ lower 1 }}",
            "{{ index .Changes 7 }}",
            "{{ range .Name }}{{ end }}",
            "{{ eq 1 \"1\" }}",
            "{{ template \"gone\" }}",
            "{{ \"a }}",
            "{{ break }}",
            "{{ fail \"on purpose\" }}",
        ]
        .map(|template| format!("{template:<30?} {}", render(template)))
        .join("\n")
    );
}

#[test]
fn what_would_never_end_or_never_fit_is_stopped() {
    for template in [
        "{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}",
        "{{range 1000000}}{{range 1000000}}{{end}}{{end}}",
        "{{range 100000}}{{repeat 60000 \"x\"}}{{end}}",
        "{{repeat 9223372036854775807 \"xx\"}}",
        "{{$x := list 1}}{{range 100000}}{{$x = list $x $x}}{{end}}",
        "{{$x := list 1}}{{range 100}}{{$x = list $x $x}}{{end}}{{$x}}",
        "{{$x := \"ab\"}}{{range 40}}{{$x = cat $x $x}}{{end}}",
        "{{$x := \"ab\"}}{{range 40}}{{$x = replace \"\" $x $x}}{{end}}",
        "{{indent 100000 \"a\"}}",
        "{{until 100000000}}",
        "{{printf \"%1000000000d\" 1}}{{printf \"%1000000000d\" 1}}",
        "{{regexMatch \"(a{1000}){1000}\" \"a\"}}",
        "{{range until 9999}}{{$x := until 9999}}{{end}}",
    ] {
        let said = render(template);
        assert!(said.starts_with("error: "), "{template}: {} bytes", said.len());
    }
    let deep = format!("{}{}", "{{if 1}}".repeat(3_000), "{{end}}".repeat(3_000));
    assert!(render(&deep).contains("nest deeper"));
    let deep = format!("{{{{{}1{}}}}}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(render(&deep).contains("nest deeper"));
    let deep = format!("{{{{if 0}}}}{}{{{{end}}}}", "{{else if 0}}".repeat(4_000));
    assert!(render(&deep).contains("nest deeper"));
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_template_or_a_mistake(text in "(\\{\\{|\\}\\}|[-. $|()\"`a-z:=,0-9\n]|range|end|if|\\PC){0,40}") {
        let _ = render(&text);
    }
}
