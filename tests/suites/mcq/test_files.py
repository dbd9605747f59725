"""Which files of a folder are read, in which encodings, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltyard.errors import UsageError
from tiltyard.suites.mcq.files import files_in, passed_over
from tiltyard.suites.mcq.reading import QuestionSet


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_endings_count_in_any_case(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.csv", "b.Csv", "c.NDJSON", "d.jsonL", "e.TSV", "f.txt")
    assert [path.name for path in files_in([folder])] == ["a.csv", "b.Csv", "c.NDJSON", "d.jsonL", "e.TSV"]
    assert passed_over([folder]) is None


def test_files_with_endings_in_any_case_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.Csv").write_text("One?,a,b,c,d,B\n", encoding="utf-8")
    line = '{"question": "?", "options": ["a", "b"], "answer": "B"}\n'
    (tmp_path / "b.NdJson").write_text(line, encoding="utf-8")
    found = QuestionSet(files_in([tmp_path]))
    assert [found.row(number).answer for number in range(2)] == [1, 1]


def test_what_a_pattern_passes_over_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    one = folder_of(tmp_path, "a.csv", "b.jsonl", "c.jsonl", "d.Csv", "e.parquet", "f.txt", "g.csv.gz")
    two = folder_of(tmp_path / "sub", "a.csv", "b.XLSX")
    note = passed_over([one, two, one / "a.csv"], "*.csv")
    assert note == (
        "not read, in 2 folders: 6 files (.csv 1, .gz 1, .jsonl 2, .parquet 1, .xlsx 1): name them or set "
        "--csv-pattern; those that are no text are to be saved as CSV or JSONL"
    )
    assert passed_over([one / "b.jsonl", one], "*.csv") == (
        f"not read, in {one}: 4 files (.csv 1, .gz 1, .jsonl 1, .parquet 1): name them or set "
        "--csv-pattern; those that are no text are to be saved as CSV or JSONL"
    )


def test_a_json_file_of_a_folder_is_no_sure_question_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "a.csv", "b.json")
    assert passed_over([folder]) == (f"not read, in {folder}: 1 file (.json 1): name it or set --csv-pattern")


def test_a_folder_without_a_file_to_read_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no file like \*\.csv or \*\.jsonl or \*\.tsv") as caught:
        files_in([folder_of(tmp_path, "a.parquet")])
    assert "but 1 file (.parquet 1)" in str(caught.value)
    assert "CSV or JSONL" in caught.value.remedy


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz", "a.XLSX"])
def test_a_file_that_is_no_text_is_refused_by_its_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1\0\0")
    with pytest.raises(UsageError, match="is no text") as caught:
        QuestionSet([tmp_path / name])
    assert "CSV or JSONL" in caught.value.remedy


WESTERN = [
    "Où se trouve la forêt ? « Près d’ici » – à gauche,l’été,Noël,cœur,garçon,B",
    "Welche Größe hat der Käfer? „Über 5 cm²“,groß,schön,müde,Ärger,C",
    "¿Dónde está el niño? ¡Aquí! (nº 5),mañana,pingüino,corazón,fácil,A",
    "Onde está o coração? 20 °C ± 3 µm,pão,três,avó,ações,D",
    "Hvor er bjørnen? £5 and €7,blåbær,Århus,kærlighed,ø,A",
    "Hver á þetta? Það er gott,íslenska,öræfi,æðarfugl,mýri,A",
]
OTHERS = {
    "cp1250": [  # Polish, Czech, Hungarian, Romanian, Slovene
        "Które miasto jest największą stolicą? Może będzie łatwo,Łódź,Kraków,Gdańsk,Poznań,A",
        "Které město je největší? Říp není město,Plzeň,Děčín,Žďár,Příbram,A",
        "Melyik a legnagyobb tó? Az erdő mellett nő a különböző fű,időjárás,hűvös,őrző,öt,A",
        "Care este viața mai lungă? Și țara cunoscută,şapte,viaţă,cunoştinţă,ţară,A",
        "Katera reka je najdaljša? Možnosti je več,češnja,življenje,šola,žaba,A",
    ],
    "cp1251": ["Какой город самый большой?,Москва,Казань,Пермь,Омск,A", "Что это?,да,не,и,я,B"],
    "koi8-r": ["Какой город самый большой?,Москва,Казань,Пермь,Омск,A"],
    "cp1253": ["Ποια είναι η πρωτεύουσα;,Αθήνα,Σπάρτη,Θήβα,Κόρινθος,A"],
    "cp1254": ["Güneş neden parlak ışık verir?,çalışan,kırmızı,değiştirmek,yağmur,A"],
    "cp850": ["Où est le café? Über die Größe,forêt,Noël,très,garçon,A"],
    "mac-roman": ["Où est le café? Über die Größe,forêt,Noël,très,garçon,A"],
    "iso8859-15": ["Le cœur de la bête,œuvre,sœur,bœuf,nœud,A"],
    "gb18030": ["世界上最高的山峰是哪一座?,珠穆朗玛峰,乔戈里峰,富士山,泰山,A"],
    "big5": ["世界上最高的山峰是哪一座?,聖母峰,喬戈里峰,富士山,泰山,A"],
    "shift-jis": ["世界で一番高い山はどれですか?,エベレスト,富士山,泰山,阿蘇山,A"],
    "euc-kr": ["세계에서 가장 높은 산은?,에베레스트,후지산,태산,한라산,A"],
}


@pytest.mark.parametrize("line", WESTERN)
def test_western_text_in_windows_1252_is_read_with_a_note(tmp_path: Path, line: str) -> None:
    (path := tmp_path / "x.csv").write_bytes(line.encode("cp1252"))
    found = QuestionSet([path])
    assert found.row(0).question == line.split(",", 1)[0]
    assert found.notes == [f"{path}: not UTF-8: read as CP1252 (Windows-1252)"]


@pytest.mark.parametrize(
    ("encoding", "line"), [(encoding, line) for encoding, lines in OTHERS.items() for line in lines]
)
def test_text_in_other_encodings_is_refused(tmp_path: Path, encoding: str, line: str) -> None:
    old = str.maketrans("șțȘȚ", "şţŞŢ")  # as CP1250 has them
    (path := tmp_path / "x.csv").write_bytes(line.translate(old).encode(encoding, "replace"))
    with pytest.raises(UsageError, match="neither UTF-8 nor Windows-1252") as caught:
        QuestionSet([path])
    assert caught.value.remedy == "save it as UTF-8"


def test_a_rare_foreign_name_in_much_western_text_costs_nothing(tmp_path: Path) -> None:
    (path := tmp_path / "x.csv").write_bytes("\n".join([*WESTERN * 5, "Škoda?,a,b,c,d,A"]).encode("cp1252"))
    assert len(QuestionSet([path])) == 31


def test_a_damaged_utf_8_file_is_not_read_as_another_encoding(tmp_path: Path) -> None:
    text = "\n".join(WESTERN).encode()
    (path := tmp_path / "x.csv").write_bytes(text.replace("ß".encode(), b"\xc3", 1))
    with pytest.raises(UsageError, match="neither UTF-8 nor Windows-1252"):
        QuestionSet([path])
