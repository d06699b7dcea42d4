"""Folders of videos, from class folders and from clips.csv."""

import pytest

from deephar.data import LabelledVideo, VideoFolder
from deephar.data.samples import names_of


@pytest.fixture
def folder(tmp_path):
    """Builder of a folder with empty files: ``folder("squat/a.mp4", ..., clips="file,action")``."""

    def build(*files, clips=None):
        for name in files:
            path = tmp_path / "videos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        if clips is not None:
            (tmp_path / "videos" / "clips.csv").write_bytes(clips.encode("utf-8-sig"))
        return tmp_path / "videos"

    return build


def test_class_folders_are_actions(folder):
    root = folder("squat/b.MOV", "squat/a.mp4", "bowl/c.gif", "squat/notes.txt", ".git/x.mp4", "y")
    videos = VideoFolder(root)
    assert videos.name == "videos"
    assert videos.source == str(root)
    assert videos.actions == ("bowl", "squat")
    assert names_of(videos) == ["bowl/c.gif", "squat/a.mp4", "squat/b.MOV"]
    assert videos[1] == LabelledVideo(
        root / "squat" / "a.mp4", "squat", group="squat/a.mp4", name="squat/a.mp4"
    )
    assert repr(videos) == f"VideoFolder({str(root)!r}, 3 videos, 2 actions)"


def test_the_list_names_files_actions_and_groups(folder):
    text = "note, action ,file,group\nx,squat,a.mp4,s1\n,bowl,./in/b.mp4,\n\n"
    root = folder("a.mp4", "in/b.mp4", "in/unlisted.mp4", clips=text)
    videos = VideoFolder(str(root))
    assert videos.source == str(root / "clips.csv")
    assert list(videos) == [
        LabelledVideo(root / "a.mp4", "squat", group="s1", name="a.mp4"),
        LabelledVideo(root / "in" / "b.mp4", "bowl", group="in/b.mp4", name="in/b.mp4"),
    ]


def test_a_list_without_groups_makes_each_video_its_own(folder):
    videos = VideoFolder(folder("a.mp4", "b.mp4", clips="file,action\na.mp4,bowl\nb.mp4,bowl\n"))
    assert [video.group for video in videos] == ["a.mp4", "b.mp4"]
    assert videos.actions == ("bowl",)


def test_folders_of_pictures_and_files_of_poses_are_videos(folder):
    videos = VideoFolder(folder("bowl/a/1.jpg", "bowl/a/2.PNG", "bowl/b.json", "bowl/c.csv"))
    assert names_of(videos) == ["bowl/a", "bowl/b.json", "bowl/c.csv"]


def test_the_list_tells_segments_splits_and_boxes(folder):
    text = (
        "file,action,start,end,split,box\n"
        "a.mp4,bowl,,4,train,\na.mp4,squat,4,7.5,Train,\n"
        'b.mp4,bowl,1,,test,"10, 20, 110, 220"\nc.mp4,bowl,,,test,10 20 110 220.5\n'
    )
    videos = VideoFolder(folder("a.mp4", "b.mp4", "c.mp4", clips=text))
    assert names_of(videos) == ["a.mp4@0-4", "a.mp4@4-7.5", "b.mp4@1-", "c.mp4"]
    assert [(v.start, v.end) for v in videos] == [(None, 4), (4, 7.5), (1, None), (None, None)]
    assert [video.group for video in videos] == ["a.mp4", "a.mp4", "b.mp4", "c.mp4"]
    assert [video.split for video in videos] == ["train", "train", "test", "test"]
    assert [video.box for video in videos[2:]] == [(10, 20, 110, 220), (10, 20, 110, 220.5)]
    assert not videos.has_groups


def test_a_list_with_groups_says_so(folder):
    assert VideoFolder(folder("a.mp4", clips="file,action,group\na.mp4,bowl,x\n")).has_groups


def test_the_real_clips_are_read(real_data):
    root = real_data / "actions" / "penn15"
    if not root.is_dir():
        pytest.skip("the clips of actions are not at hand")
    videos = VideoFolder(root)
    assert len(videos) == 93
    assert len(videos.actions) == 14
    assert len({video.group for video in videos}) < 93


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], r"videos holds neither clips\.csv nor a folder\. It must hold clips\.csv, or a"),
        (["a.mp4"], "holds neither"),
        (["squat/a.mp4", "bowl/a.txt"], r"bowl holds no video \(\.avi, \.gif, .*\)\. Add videos"),
        (["squat/a.mp4", "bowl/a.jpg"], "bowl holds pictures. .* a folder of pictures for each"),
        (["squat/a.mp4", "Squat/a.mp4"], "'Squat' and 'squat', which differ in case only"),
    ],
)
def test_class_folders_that_cannot_be_used_are_refused(folder, files, message):
    root = folder(*files)
    root.mkdir(exist_ok=True)
    with pytest.raises(ValueError, match=message):
        VideoFolder(root)


@pytest.mark.parametrize(
    ("clips", "message"),
    [
        ("", r"clips\.csv has no column file and no column action \(found: none\)"),
        ("file;action\na.mp4;bowl", r"\(found: file;action\)\. .*separated by commas"),
        ("file,label\na.mp4,bowl", r"has no column action \(found: file, label\)"),
        (
            "file,action,groups\na.mp4,bowl,x\n",
            "a column 'groups', and no column group. Write group",
        ),
        ("file,action,End\na.mp4,bowl,5\n", "a column 'End', and no column end. Write end if"),
        ("file,action,end (s)\na.mp4,bowl,5\n", "and no column end. Write end if"),
        ("file,action,spilt\na.mp4,bowl,test\n", "and no column split. Write split if"),
        ("file,action\n", r"clips\.csv lists no video"),
        ("file,action\na.mp4,bowl\n./a.mp4,bowl\n", r"lists \./a\.mp4 twice, in lines 2 and 3"),
        ("file,action\na.mp4,\n", r"clips\.csv, line 2: The column action is empty"),
        ("file,action\na.mp4\n", "line 2: The column action is empty"),
        ("file,action\n,bowl\n", "line 2: The column file is empty"),
        ("file,action\na.mp4,Bowl\nb.mp4,bowl\n", "'Bowl' and 'bowl', which differ in case"),
        ("file,action,start,end\na.mp4,bowl,5,4\n", "line 2: The segment ends at 4 s, .* 5 s"),
        ("file,action,end\na.mp4,bowl,0\n", "line 2: The segment ends at 0 s"),
        ("file,action,start\na.mp4,bowl,0:05\n", "line 2: start must be .*, got '0:05'"),
        ("file,action,start\na.mp4,bowl,-1\n", "line 2: start must be a time in seconds"),
        ("file,action,start\na.mp4,bowl,1\na.mp4,bowl,1.0\n", "lists a.mp4@1- twice"),
        ("file,action,split\na.mp4,bowl,dev\n", "split must be one of train, valid, test"),
        ("file,action,box\na.mp4,bowl,1 2 3\n", "box must be x1 y1 x2 y2 in pixels"),
        ("file,action,box\na.mp4,bowl,1 2 1 4\n", "line 2: The box '1 2 1 4' has no area"),
        (
            "file,action,group,split\na.mp4,bowl,x,train\nb.mp4,bowl,x,test\n",
            "The group 'x' is in two splits: a.mp4 in train, b.mp4 in test",
        ),
    ],
)
def test_lists_that_cannot_be_used_are_refused(folder, clips, message):
    with pytest.raises(ValueError, match=message):
        VideoFolder(folder("a.mp4", "b.mp4", clips=clips))


def test_a_list_that_is_no_text_is_refused(folder):
    root = folder("a.mp4", clips="")
    (root / "clips.csv").write_bytes(b"\xfa\xfb\x00\x01")
    with pytest.raises(ValueError, match=r"clips\.csv is not CSV in UTF-8"):
        VideoFolder(root)


def test_missing_files_are_named(folder, tmp_path):
    root = folder("a.mp4", clips="file,action\na.mp4,bowl\nsub/gone.mp4,bowl\n")
    with pytest.raises(FileNotFoundError, match=r"lists sub/gone\.mp4 in line 3, but there is no"):
        VideoFolder(root)
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist\. Give a folder of"):
        VideoFolder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"a\.mp4 is a file\. Give the folder of the videos"):
        VideoFolder(root / "a.mp4")


def test_other_columns_are_ignored(folder):
    text = "file,action,source,frame_end,send,end_frame,end\na.mp4,bowl,x,9,x,9,\n"
    (video,) = VideoFolder(folder("a.mp4", clips=text))
    assert (video.group, video.end) == ("a.mp4", None)
