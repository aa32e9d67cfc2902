"""SHA-256 of the text files as released by Choe et al., so that a changed copy is noticed."""

SHA256: dict[str, dict[str, str]] = {
    "CUB/train": {
        "class_labels.txt": "4f19c23e9fdf3cfae8027a9ea8a1cec1b4ecc6a3cb6cf0fe12723c48cde82b30",
        "image_ids.txt": "c04cbe44e79ef2129afac49a15eb51b8f050cdef140cef4cf908cef823000b66",
        "image_sizes.txt": "307a9ed88a011e41b16153ed9745f4cf41054fdfb834f412f104873a42a959cd",
        "localization.txt": "672f41482883e8a23e9b1406b8e75aec7c74c18da39b024724c804dba3c480fd",
    },
    "CUB/val": {
        "class_labels.txt": "36791366bc002b82df029b8d84500d731ecc4a5dea603250f134e927d7df5748",
        "image_ids.txt": "455f26689daf2219d42208fba21be12da219c8724eab38482210c4ac2bc57c02",
        "image_sizes.txt": "b0d5495ba5af9f7b1e34753cc8548be5debb267a3d7803a5408a3bc4d173ef63",
        "localization.txt": "08ff9afa478b3a7e29a15c173e11927c9cb1867b58ae8a541df69a4c0c830ab5",
    },
    "CUB/test": {
        "class_labels.txt": "0e65f035658267b2c7eec0d289048bb822e4a5f9a244b034c127ea7fb1367d7d",
        "image_ids.txt": "f654e4676187fc322ad409487faa3568bffa751438198011692e7ff01be574ca",
        "image_sizes.txt": "96c4e79810545b237b2a79f4623a198ce6effb290fba01790b5587b464abd33b",
        "localization.txt": "85d2bd87f1bfb1641ae42f36df070c34b4755f260267326d2a2d19e65a9acf00",
    },
    "ILSVRC/val": {
        "class_labels.txt": "316209e92831b0dd910432afe74c55f2fb33ed72ade1378d3d0954df325ea51e",
        "image_ids.txt": "bcd13383b7fdaa8aa9cfd02228b398802cf64b20f6efe13aa4b0696b9431d993",
        "image_sizes.txt": "4c82c4c1e14bc7f6a1a8a1fe7ab91df2ec369318b39a8b70618d6bd041cc7410",
        "localization.txt": "4d01d6e9eab27ec860092a43f5b7480f10aadbf21234bd01ae419e9c8181ea3f",
    },
    "ILSVRC/test": {
        "class_labels.txt": "a226044e3e00900291053ecb8e68640385a196c5521c793d242df9e084e898b6",
        "image_ids.txt": "68bed6c35194a126dba32ad15f2f19596a5f1a3923ffc4ac301402d93e045583",
        "image_sizes.txt": "dde3957c4bf3bdab41ec759386c6ebaa8bed2c1790891ec3465e3a235ed63f3e",
        "localization.txt": "c4a9929837b61e9c2a03524f5b963945782ddc9930c4f8ea764cc10004c5ee62",
    },
    "OpenImages/train": {
        "class_labels.txt": "963b8b21ffdbabc145817f92183371fcdbe9adf3636edde878e45186c0ac9132",
        "image_ids.txt": "12c206be5ec47a8e94dbc9cb62a5e0325507335c4daa199b88b4792e4e59d084",
        "image_sizes.txt": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "localization.txt": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    },
    "OpenImages/val": {
        "class_labels.txt": "fa8500d1d6a940a4d7a2dd383cb0f3f508565a3cc71fd34a06ba1c804ec84707",
        "image_ids.txt": "32f491e7f25f2a99cb26926b85df5a442df2fa990138b2b938e52674cf4b8ab7",
        "image_sizes.txt": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "localization.txt": "74c9b64d462e423008cda2cb0d4c12bb55b69b2fe438d8e10e49dd61d21d01be",
    },
    "OpenImages/test": {
        "class_labels.txt": "38d9c771b4031770c5e366ff2c50650ec130ce24ceb4b75be96e494f89a1f959",
        "image_ids.txt": "7f279c569eb501986ecd98917ba6f116524fe744f84684ad16b3a01087c00bf8",
        "image_sizes.txt": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "localization.txt": "9d1f0bad885884f7e79913b00c5b984fc8d532ed80886bd5e72d37e3274aeb55",
    },
}
